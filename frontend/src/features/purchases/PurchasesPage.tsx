import { Link } from "@tanstack/react-router";
import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote, Skeleton } from "@/design/Skeleton";
import { useCurrentPool } from "@/features/pool/currentPool";
import type { PurchasesQuery } from "@/gql/graphql";
import { PurchaseList } from "./PurchaseList";
import { PurchasesDocument, purchasesPerPage } from "./purchaseQueries";

/** All purchases of the pool, or the viewer's own. */
export function PurchasesPage() {
  const { membership } = useCurrentPool();
  const [{ data, error }, refresh] = useQuery({
    query: PurchasesDocument,
    variables: { poolId: membership.pool.id, first: purchasesPerPage },
    requestPolicy: "cache-and-network",
  });
  if (data?.pool) return <Purchases key={data.pool.id} pool={data.pool} />;
  if (error !== undefined || data !== undefined) {
    return (
      <PageMessage
        title="The purchases couldn’t be loaded"
        action={
          <Button look="primary" onClick={() => refresh({ requestPolicy: "network-only" })}>
            Try again
          </Button>
        }
      />
    );
  }
  return (
    <>
      <Heading name={membership.pool.name} />
      <LoadingNote what="the purchases" />
      <div className="mt-6 rounded-2xl border border-line bg-surface p-6 shadow-card">
        <Skeleton className="h-5 w-24" />
        <Skeleton className="mt-6 h-72" />
      </div>
    </>
  );
}

function Purchases({ pool }: { pool: NonNullable<PurchasesQuery["pool"]> }) {
  if (pool.purchases.nodes.length === 0) {
    return (
      <PageMessage
        title="No purchases yet"
        action={
          pool.canPurchase && (
            <Button asChild look="primary">
              <Link to="/buy">Buy credits</Link>
            </Button>
          )
        }
      >
        {pool.canViewAll
          ? `Credits bought for ${pool.name} will be listed here with their receipts.`
          : "What you buy will be listed here with its receipts."}
      </PageMessage>
    );
  }
  return (
    <>
      <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-4">
        <Heading name={pool.name} />
        {pool.canPurchase && (
          <Button asChild look="primary">
            <Link to="/buy">Buy credits</Link>
          </Button>
        )}
      </div>
      <div className="mt-6">
        <PurchaseList pool={pool} />
      </div>
    </>
  );
}

function Heading({ name }: { name: string }) {
  return (
    <div className="min-w-0">
      <title>{`Purchases · ${name} · Billing`}</title>
      <h1 className="text-xl font-semibold tracking-tight">Purchases</h1>
      <p className="mt-0.5 text-sm text-ink-faint">For {name}</p>
    </div>
  );
}
