import { Link } from "@tanstack/react-router";
import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { PageMessage } from "@/design/PageMessage";
import { compareDecimals, creditsPhrase } from "@/format/decimal";
import { BalanceCard } from "./BalanceCard";
import { useCurrentPool } from "./currentPool";
import { LedgerCard } from "./LedgerCard";
import { MembersCard } from "./MembersCard";
import { OverviewSkeleton } from "./OverviewSkeleton";
import { entriesPerPage, membersPerPage, OverviewDocument, type Pool } from "./overviewQueries";
import { OwnUsageCard } from "./OwnUsageCard";
import { PlanCard } from "./PlanCard";
import { poolKinds } from "./words";

export function OverviewPage() {
  const { membership } = useCurrentPool();
  const [{ data, error }, refresh] = useQuery({
    query: OverviewDocument,
    variables: { poolId: membership.pool.id, members: membersPerPage, entries: entriesPerPage },
    // Shown at once from memory, and brought up to date: balances move while the page is elsewhere.
    requestPolicy: "cache-and-network",
  });
  const pool = data?.pool;
  if (pool)
    return (
      <Overview
        key={pool.id}
        pool={pool}
        stale={error !== undefined}
        onRetry={() => refresh({ requestPolicy: "network-only" })}
      />
    );
  if (error !== undefined || data !== undefined) {
    return (
      <PageMessage
        title="The overview couldn’t be loaded"
        action={
          <Button look="primary" onClick={() => refresh({ requestPolicy: "network-only" })}>
            Try again
          </Button>
        }
      >
        Your credits are safe; only this page has a problem.
      </PageMessage>
    );
  }
  return <OverviewSkeleton name={membership.pool.name} />;
}

function Overview({ pool, stale, onRetry }: { pool: Pool; stale: boolean; onRetry: () => void }) {
  const { tenant } = useCurrentPool().viewer;
  const whose = [tenant.name, poolKinds[pool.kind]].filter((words) => words !== pool.name).join(" · ");
  return (
    <>
      <title>{`Overview · ${pool.name} · Billing`}</title>
      <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-4">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight">{pool.name}</h1>
          <p className="mt-0.5 text-sm text-ink-faint">{whose}</p>
        </div>
        {pool.canPurchase && (
          <Button asChild look="primary">
            <Link to="/buy">Buy credits</Link>
          </Button>
        )}
      </div>
      <Notices pool={pool} stale={stale} onRetry={onRetry} />
      <div className="mt-6 grid items-stretch gap-6 lg:grid-cols-[minmax(0,1fr)_20rem]">
        {pool.balance && <BalanceCard balance={pool.balance} />}
        {!pool.balance && pool.viewerMembership && (
          <OwnUsageCard member={pool.viewerMembership} owner={pool.owner.displayName} />
        )}
        <PlanCard subscription={pool.subscription ?? null} />
      </div>
      <div className="mt-6 grid gap-6">
        {(pool.balance != null || pool.members.nodes.length > 1) && <MembersCard pool={pool} />}
        <LedgerCard pool={pool} />
      </div>
    </>
  );
}

function Notices({ pool, stale, onRetry }: { pool: Pool; stale: boolean; onRetry: () => void }) {
  const shortfall = pool.balance?.shortfall ?? "0";
  const status = pool.subscription?.status;
  const suspended = pool.viewerMembership?.status === "SUSPENDED";
  return (
    <div className="mt-5 grid gap-3 empty:hidden">
      {stale && (
        <Notice
          tone="caution"
          live
          title="These figures may be out of date"
          action={
            <Button size="small" onClick={onRetry}>
              Try again
            </Button>
          }
        >
          The latest ones couldn’t be loaded.
        </Notice>
      )}
      {suspended && (
        <Notice tone="danger" title="Your membership is suspended">
          You can’t use credits of this pool. {pool.owner.displayName} can lift this.
        </Notice>
      )}
      {compareDecimals(shortfall, "0") > 0 && (
        <Notice
          tone="danger"
          title={`${creditsPhrase(shortfall)} used beyond the balance`}
          action={
            pool.canPurchase && (
              <Button asChild size="small">
                <Link to="/buy">Buy credits</Link>
              </Button>
            )
          }
        >
          New requests wait until this is covered. The next credits pay for it first.
        </Notice>
      )}
      {(status === "PAST_DUE" || status === "UNPAID") && (
        <Notice tone="danger" title="The last payment for the plan failed">
          Purchased and bonus credits stay usable. Included credits stop 7 days after the failed payment.
        </Notice>
      )}
    </div>
  );
}
