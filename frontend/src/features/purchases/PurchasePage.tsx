import { Link, useParams } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { useEffect } from "react";
import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote, Skeleton } from "@/design/Skeleton";
import { RefundRequest } from "@/features/refunds/RefundRequest";
import { useDates } from "@/format/time";
import { PurchaseFigures } from "./PurchaseFigures";
import { finalStatuses, PurchasePageDocument, type Purchase, type PurchaseWithHistory } from "./purchaseQueries";
import { PurchaseReceipts } from "./PurchaseReceipts";
import { StatusIcon } from "./purchaseStatus";
import { PurchaseTimeline } from "./PurchaseTimeline";

/** Ask this often while a purchase is still moving (ms). */
const pollMs = 1500;

/** One purchase: how it stands, what to do next, what was paid for what, and what has happened so far. */
export function PurchasePage() {
  const { purchaseId } = useParams({ from: "/purchases/$purchaseId" });
  const [{ data, error, fetching, stale }, refresh] = useQuery({
    query: PurchasePageDocument,
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

  if (purchase) return <Details purchase={purchase} />;
  if (data !== undefined) {
    return (
      <PageMessage
        title="There is no such purchase"
        action={
          <Button asChild look="primary">
            <Link to="/purchases">To the purchases</Link>
          </Button>
        }
      />
    );
  }
  if (error !== undefined) {
    return (
      <PageMessage
        title="The purchase couldn’t be loaded"
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
  return <PurchaseSkeleton />;
}

const columns = "mt-4 grid items-start gap-6 lg:grid-cols-[minmax(0,1fr)_22rem]";

function Details({ purchase }: { purchase: PurchaseWithHistory }) {
  const { status, pool, timeline } = purchase;
  const { title, explanation } = purchase.progress;
  return (
    <>
      <title>{`${title} · Billing`}</title>
      <BackLink />
      <div className={columns}>
        <div className="min-w-0 rounded-2xl border border-line bg-surface shadow-card">
          <div className="px-6 pt-8 pb-6 text-center">
            <StatusIcon status={status} />
            <div role="status">
              <h1 className="mt-4 text-xl font-semibold tracking-tight">{title}</h1>
              <p className="mx-auto mt-1.5 max-w-md text-sm text-balance text-ink-soft">{explanation}</p>
            </div>
            <NextStep purchase={purchase} />
          </div>
          <PurchaseFigures purchase={purchase} balance={status === "COMPLETED" ? (pool.balance ?? null) : null} />
        </div>
        <div className="grid min-w-0 gap-6">
          <PurchaseReceipts purchase={purchase} />
          <RefundRequest purchase={purchase} />
          <PurchaseTimeline moments={timeline} />
          <div>
            <Button asChild look={status === "COMPLETED" ? "primary" : "secondary"}>
              <Link to="/">To the overview</Link>
            </Button>
          </div>
        </div>
      </div>
    </>
  );
}

function BackLink() {
  return (
    <Link
      to="/purchases"
      className="inline-flex items-center gap-1.5 rounded text-sm text-ink-soft transition-colors hover:text-ink"
    >
      <ArrowLeft aria-hidden className="size-4" />
      All purchases
    </Link>
  );
}

function NextStep({ purchase: { progress, nextActionUrl } }: { purchase: Purchase }) {
  const { moment } = useDates();
  switch (progress.nextStep) {
    case "CONFIRM_WITH_BANK":
      return (
        <>
          <Button asChild look="primary" className="mt-5">
            <a href={nextActionUrl ?? undefined}>Confirm with your bank</a>
          </Button>
          {progress.nextStepBy != null && (
            <p className="mt-2 text-xs text-ink-faint">Possible until {moment(progress.nextStepBy)}</p>
          )}
        </>
      );
    case "TRY_ANOTHER_CARD":
      return <BuyLink>Try another card</BuyLink>;
    case "BUY_AGAIN":
      return <BuyLink>Buy again</BuyLink>;
    case "WAIT":
    case "NONE":
      return null;
  }
}

function BuyLink({ children }: { children: string }) {
  return (
    <Button asChild look="primary" className="mt-5">
      <Link to="/buy">{children}</Link>
    </Button>
  );
}

function PurchaseSkeleton() {
  const box = "rounded-2xl border border-line bg-surface p-6 shadow-card";
  return (
    <>
      <title>Purchase · Billing</title>
      <h1 className="sr-only">Purchase</h1>
      <LoadingNote what="the purchase" />
      <BackLink />
      <div className={columns}>
        <div className={`grid justify-items-center ${box}`}>
          <Skeleton className="size-12 rounded-full" />
          <Skeleton className="mt-4 h-7 w-64 max-w-full" />
          <Skeleton className="mt-2 h-5 w-40" />
          <Skeleton className="mt-10 h-64 w-full" />
        </div>
        <div className={box}>
          <Skeleton className="h-5 w-32" />
          <Skeleton className="mt-4 h-24" />
        </div>
      </div>
    </>
  );
}
