import { Link, useParams } from "@tanstack/react-router";
import { ArrowUpRight } from "lucide-react";
import { useEffect } from "react";
import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote, Skeleton } from "@/design/Skeleton";
import type { BalanceFragment } from "@/gql/graphql";
import { purchaseIdIn } from "./address";
import { finalStatuses, ReceiptDocument, type Purchase } from "./purchaseQueries";
import { ReceiptDetails } from "./ReceiptDetails";
import { headline, StatusIcon } from "./purchaseStatus";

/** Ask this often while a purchase is still moving (ms). */
const pollMs = 1500;

export function ReceiptPage() {
  const purchaseId = purchaseIdIn(useParams({ from: "/purchases/$purchaseId" }).purchaseId);
  const [{ data, error, fetching, stale }, refresh] = useQuery({
    query: ReceiptDocument,
    variables: { purchaseId },
    requestPolicy: "cache-and-network",
  });
  const purchase = data?.node?.__typename === "CreditPurchase" ? data.node : null;
  const moving = purchase !== null && !finalStatuses.has(purchase.status);
  useEffect(() => {
    if (!moving || fetching || stale) return;
    const timer = setTimeout(() => refresh({ requestPolicy: "network-only" }), pollMs);
    return () => clearTimeout(timer);
  }, [moving, fetching, stale, data, refresh]);

  if (purchase)
    return <Receipt purchase={purchase} pool={purchase.pool.name} balance={purchase.pool.balance ?? null} />;
  if (data !== undefined) {
    return (
      <PageMessage
        title="There is no such purchase"
        action={
          <Button asChild look="primary">
            <Link to="/">To the overview</Link>
          </Button>
        }
      />
    );
  }
  if (error !== undefined) {
    return (
      <PageMessage
        title="The receipt couldn’t be loaded"
        action={
          <Button look="primary" onClick={() => refresh({ requestPolicy: "network-only" })}>
            Try again
          </Button>
        }
      >
        This says nothing about the payment itself.
      </PageMessage>
    );
  }
  return <ReceiptSkeleton />;
}

interface ReceiptProps {
  purchase: Purchase;
  pool: string;
  balance: BalanceFragment | null;
}

function Receipt({ purchase, pool, balance }: ReceiptProps) {
  const { title, text } = headline(purchase, pool);
  return (
    <div className="mx-auto max-w-lg">
      <title>{`${title} · Billing`}</title>
      <div className="rounded-2xl border border-line bg-surface shadow-card">
        <div className="px-6 pt-8 pb-6 text-center">
          <StatusIcon status={purchase.status} />
          <div role="status">
            <h1 className="mt-4 text-xl font-semibold tracking-tight">{title}</h1>
            <p className="mt-1.5 text-sm text-balance text-ink-soft">{text}</p>
          </div>
          <NextStep purchase={purchase} />
        </div>
        <ReceiptDetails purchase={purchase} balance={purchase.status === "COMPLETED" ? balance : null} />
      </div>
      <div className="mt-6 flex flex-wrap justify-center gap-3">
        {purchase.receiptUrl != null && (
          <Button asChild look="quiet">
            <a href={purchase.receiptUrl} target="_blank" rel="noreferrer">
              Stripe’s receipt
              <ArrowUpRight aria-hidden className="size-4" />
              <span className="sr-only">(opens a new tab)</span>
            </a>
          </Button>
        )}
        <Button asChild look={purchase.status === "COMPLETED" ? "primary" : "secondary"}>
          <Link to="/">To the overview</Link>
        </Button>
      </div>
    </div>
  );
}

function NextStep({ purchase }: { purchase: Purchase }) {
  if (purchase.status === "REQUIRES_ACTION" && purchase.nextActionUrl != null) {
    return (
      <Button asChild look="primary" className="mt-5">
        <a href={purchase.nextActionUrl}>Confirm with your bank</a>
      </Button>
    );
  }
  if (purchase.status === "FAILED") {
    return (
      <Button asChild look="primary" className="mt-5">
        <Link to="/buy">Try another card</Link>
      </Button>
    );
  }
  return null;
}

function ReceiptSkeleton() {
  return (
    <div className="mx-auto max-w-lg">
      <title>Receipt · Billing</title>
      <h1 className="sr-only">Receipt</h1>
      <LoadingNote what="the receipt" />
      <div className="grid justify-items-center rounded-2xl border border-line bg-surface p-8 shadow-card">
        <Skeleton className="size-12 rounded-full" />
        <Skeleton className="mt-4 h-7 w-64 max-w-full" />
        <Skeleton className="mt-2 h-5 w-40" />
        <Skeleton className="mt-10 h-64 w-full" />
      </div>
    </div>
  );
}
