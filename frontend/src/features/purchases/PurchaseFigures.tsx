import type { ReactNode } from "react";
import { Credits } from "@/format/Credits";
import { isZero, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { useDates } from "@/format/time";
import type { BalanceFragment } from "@/gql/graphql";
import type { Purchase } from "./purchaseQueries";

/** The figures of a purchase as they were sold; they stay what they are when prices change. */
export function PurchaseFigures({ purchase, balance }: { purchase: Purchase; balance: BalanceFragment | null }) {
  const { moment } = useDates();
  const { credits, bonusCredits, unitPrice, discount, total, refunded, card, isAutomatic } = purchase;
  const { purchasedBy, createdAt, completedAt } = purchase;
  return (
    <dl className="border-t border-line px-6 py-4 text-sm">
      <Line term="Credits">{`${plainDecimal(credits)} at ${moneyText(unitPrice)}`}</Line>
      {!isZero(bonusCredits) && <Line term="Bonus credits">+{plainDecimal(bonusCredits)}</Line>}
      {!isZero(discount.amount) && <Line term="Volume discount">{`\u2212${moneyText(discount)}`}</Line>}
      <Line term="Total">
        <strong className="font-semibold">{moneyText(total)}</strong>
      </Line>
      {!isZero(refunded.amount) && <Line term="Refunded">{`\u2212${moneyText(refunded)}`}</Line>}
      <Line term="Card">{card}</Line>
      <Line term="Bought by">
        {purchasedBy.displayName}
        {isAutomatic && " (automatically)"}
      </Line>
      <Line term="Date">{moment(completedAt ?? createdAt)}</Line>
      {balance && (
        <Line term="New balance">
          <strong className="font-semibold">
            <Credits value={balance.available} /> credits
          </strong>
        </Line>
      )}
    </dl>
  );
}

function Line({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className="flex items-baseline justify-between gap-4 border-line py-2.5 not-last:border-b">
      <dt className="text-ink-faint">{term}</dt>
      <dd className="text-right">{children}</dd>
    </div>
  );
}
