import { Meter } from "@/design/Meter";
import { compareDecimals, creditsPhrase, plainDecimal, shareOf } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { useDates } from "@/format/time";
import type { AutoPurchase } from "./autoPurchaseQueries";

/** How much of this month's caps is used. */
export function Month({ plan }: { plan: AutoPurchase }) {
  const { moment } = useDates();
  const { monthlyCap, monthlyCapCredits, spentThisMonth, creditsThisMonth, purchasesThisMonth } = plan;
  const spent = `${moneyText(spentThisMonth)}${monthlyCap ? ` of ${moneyText(monthlyCap)}` : ""}`;
  const credits =
    monthlyCapCredits == null
      ? creditsPhrase(creditsThisMonth)
      : `${plainDecimal(creditsThisMonth)} of ${creditsPhrase(monthlyCapCredits)}`;
  const shares = [
    monthlyCap ? shareOf(spentThisMonth.amount, monthlyCap.amount) : 0,
    monthlyCapCredits == null ? 0 : shareOf(creditsThisMonth, monthlyCapCredits),
  ];
  const times = `${String(purchasesThisMonth)} ${purchasesThisMonth === 1 ? "purchase" : "purchases"}`;
  return (
    <div className="mt-5">
      <div className="mb-2 flex flex-wrap justify-between gap-x-4 gap-y-1 text-sm">
        <span className="font-medium">Bought this month</span>
        <span className="text-ink-soft">
          {compareDecimals(creditsThisMonth, "0") === 0 && !monthlyCap ? credits : `${spent} · ${credits} · ${times}`}
        </span>
      </div>
      <Meter label="Share of the monthly cap" text={`${spent}, ${credits}`} share={Math.max(...shares)} />
      <p className="mt-1.5 text-xs text-ink-faint">The next month begins {moment(plan.monthEndsAt)}.</p>
    </div>
  );
}
