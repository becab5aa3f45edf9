import type { ReactNode } from "react";
import { classNames } from "@/design/classNames";
import { Skeleton } from "@/design/Skeleton";
import { isZero, percent, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import type { Quote } from "./purchaseQueries";

/** The server's quote, line by line. While a new one is on its way the old one stays, paler. */
export function QuoteSummary({ quote, fresh }: { quote: Quote | null; fresh: boolean }) {
  if (quote === null) {
    return (
      <div aria-hidden className="grid gap-4 py-1">
        <Skeleton className="h-5" />
        <Skeleton className="h-5" />
        <Skeleton className="h-5" />
        <Skeleton className="mt-3 h-8" />
      </div>
    );
  }
  return (
    <dl className={classNames("text-sm transition-opacity duration-150", !fresh && "opacity-55")}>
      <Line term={`${plainDecimal(quote.credits)} credits at ${moneyText(quote.unitPrice)}`}>{moneyText(quote.base)}</Line>
      <Line term={isZero(quote.discount.amount) ? "Volume discount" : `Volume discount, ${percent(quote.band.discountRate)}`}>
        {isZero(quote.discount.amount) ? "None" : `\u2212${moneyText(quote.discount)}`}
      </Line>
      <Line term={isZero(quote.bonusCredits) ? "Bonus credits" : `Bonus credits, ${percent(quote.band.bonusRate)}`}>
        {isZero(quote.bonusCredits) ? "None" : `+${plainDecimal(quote.bonusCredits)}`}
      </Line>
      <div className="mt-3 grid gap-1 border-t border-line pt-4">
        <Line strong term="You get">{plainDecimal(quote.totalCredits)} credits</Line>
        <Line strong term="You pay">{moneyText(quote.total)}</Line>
      </div>
    </dl>
  );
}

function Line({ term, strong = false, children }: { term: string; strong?: boolean; children: ReactNode }) {
  return (
    <div className={classNames("flex items-baseline justify-between gap-4", strong ? "text-lg font-semibold tracking-tight" : "py-1.5")}>
      <dt className={strong ? undefined : "text-ink-soft"}>{term}</dt>
      <dd className="text-right whitespace-nowrap">{children}</dd>
    </div>
  );
}
