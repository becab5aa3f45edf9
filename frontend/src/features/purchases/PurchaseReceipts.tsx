import { ArrowUpRight, FileText } from "lucide-react";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import type { Purchase } from "./purchaseQueries";

/** The proofs of payment, once there is a payment: ours to keep, and Stripe’s own page. */
export function PurchaseReceipts({ purchase: { receiptUrl, receiptPdf } }: { purchase: Purchase }) {
  if (receiptPdf == null) return null;
  return (
    <Card title="Receipts">
      <div className="flex flex-wrap gap-3">
        <Button asChild size="small">
          <a href={receiptPdf} target="_blank" rel="noreferrer">
            <FileText aria-hidden className="size-4" />
            Receipt as PDF
            <span className="sr-only">(opens a new tab)</span>
          </a>
        </Button>
        {receiptUrl != null && (
          <Button asChild size="small">
            <a href={receiptUrl} target="_blank" rel="noreferrer">
              Stripe’s receipt
              <ArrowUpRight aria-hidden className="size-4" />
              <span className="sr-only">(opens a new tab)</span>
            </a>
          </Button>
        )}
      </div>
    </Card>
  );
}
