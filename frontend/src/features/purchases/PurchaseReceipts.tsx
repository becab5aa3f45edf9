import { ArrowUpRight } from "lucide-react";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import type { Purchase } from "./purchaseQueries";

/** The proofs of payment, once there is a payment. */
export function PurchaseReceipts({ purchase: { receiptUrl } }: { purchase: Purchase }) {
  if (receiptUrl == null) return null;
  return (
    <Card title="Receipts">
      <div className="flex flex-wrap gap-3">
        <Button asChild size="small">
          <a href={receiptUrl} target="_blank" rel="noreferrer">
            Stripe’s receipt
            <ArrowUpRight aria-hidden className="size-4" />
            <span className="sr-only">(opens a new tab)</span>
          </a>
        </Button>
      </div>
    </Card>
  );
}
