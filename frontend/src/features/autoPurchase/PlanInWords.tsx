import { creditsPhrase, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import type { AutoPurchase } from "./autoPurchaseQueries";

const off =
  "Nothing is bought by itself. Switched on, credits are bought whenever the balance gets low, up to a monthly cap.";

/** The plan in one sentence. */
export function PlanInWords({ plan }: { plan: AutoPurchase }) {
  if (!plan.enabled) return <p className="text-sm text-ink-soft">{off}</p>;
  const caps = [
    plan.monthlyCap ? moneyText(plan.monthlyCap) : null,
    plan.monthlyCapCredits == null ? null : creditsPhrase(plan.monthlyCapCredits),
  ].filter((cap) => cap !== null);
  return (
    <p className="text-sm text-ink-soft">
      Whenever fewer than {plainDecimal(plan.thresholdCredits)} credits are available,{" "}
      {creditsPhrase(plan.purchaseCredits)} are bought: up to {caps.join(" and ")} a month.
    </p>
  );
}
