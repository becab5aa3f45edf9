import { Card } from "@/design/Card";
import { Credits } from "@/format/Credits";
import { creditsPhrase } from "@/format/decimal";
import type { MemberRowFragment } from "@/gql/graphql";
import { LimitMeter } from "./LimitMeter";

/** For members who don't see the pool's balance: their own use and what is left of their own limits. */
export function OwnUsageCard({ member, owner }: { member: MemberRowFragment; owner: string }) {
  const { usage, limits } = member;
  return (
    <Card title="Your credits">
      {usage && (
        <>
          <p className="flex flex-wrap items-baseline gap-x-3">
            <Credits value={usage.remainingToday ?? usage.today} className="text-figure font-semibold tracking-tight" />
            <span className="text-ink-faint">
              {usage.remainingToday == null ? "credits used today" : "credits left for you today"}
            </span>
          </p>
          <div className="mt-6 grid gap-x-8 gap-y-5 sm:grid-cols-2">
            <LimitMeter label="Today" used={usage.today} limit={limits.dailyCredits ?? null} />
            <LimitMeter label="This month" used={usage.thisMonth} limit={limits.monthlyCredits ?? null} />
          </div>
        </>
      )}
      <p className="mt-6 text-sm text-ink-soft">
        {limits.maxCreditsPerRequest != null && (
          <>One request may cost up to {creditsPhrase(limits.maxCreditsPerRequest)}. </>
        )}
        {owner} looks after the pool, its balance and your limits.
      </p>
    </Card>
  );
}
