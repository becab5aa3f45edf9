import type { ReactNode } from "react";
import { Badge } from "@/design/Badge";
import { Card } from "@/design/Card";
import { isZero } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { useDates } from "@/format/time";
import type { Pool } from "./overviewQueries";
import { subscriptionStatuses } from "./words";

type Subscription = NonNullable<Pool["subscription"]>;

/** What the pool subscribes to: tier, price, seats, next date. */
export function PlanCard({ subscription }: { subscription: Subscription | null }) {
  if (subscription === null) {
    return (
      <Card title="Plan">
        <p className="text-sm text-ink-soft">No plan. Purchased credits work without one and never expire.</p>
      </Card>
    );
  }
  const { status, tier } = subscription;
  return (
    <Card
      title="Plan"
      action={<Badge tone={subscriptionStatuses[status].tone}>{subscriptionStatuses[status].label}</Badge>}
    >
      <p className="text-xl font-semibold tracking-tight">{tier.displayName}</p>
      <PlanFacts subscription={subscription} />
    </Card>
  );
}

function PlanFacts({ subscription }: { subscription: Subscription }) {
  const { day } = useDates();
  const { recurringTotal, cycle, seats, tier, cancelAtPeriodEnd, currentPeriodEnd } = subscription;
  // A plan for one price has room for a fixed number of people, one per user for as many as are paid for.
  const room = (tier.pricing.perUser ? seats?.purchased : tier.pricing.maxUsers) ?? null;
  return (
    <dl className="mt-4 divide-y divide-line border-t border-line text-sm">
      <Fact term="Price">
        {isZero(recurringTotal.amount)
          ? "Free"
          : `${moneyText(recurringTotal)} a ${cycle === "ANNUAL" ? "year" : "month"}`}
      </Fact>
      {seats && room !== null && (
        <Fact term={tier.pricing.perUser ? "Seats" : "Members"}>
          {`${seats.used} of ${room}${seats.pending > 0 ? `, ${seats.pending} invited` : ""}`}
        </Fact>
      )}
      <Fact term={cancelAtPeriodEnd ? "Ends" : "Renews"}>{day(currentPeriodEnd)}</Fact>
    </dl>
  );
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className="flex justify-between gap-4 py-2.5">
      <dt className="text-ink-faint">{term}</dt>
      <dd className="text-right">{children}</dd>
    </div>
  );
}
