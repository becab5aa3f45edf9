import type { ReactNode } from "react";
import { classNames } from "@/design/classNames";
import { Skeleton } from "@/design/Skeleton";
import { creditsPhrase, isZero, percent, plainDecimal } from "@/format/decimal";
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
    <dl className={classNames("text-sm transition-opacity duration-150", !fresh && "opacity-75")}>
      <Line term={`${creditsPhrase(quote.credits)} at ${moneyText(quote.unitPrice)}`}>{moneyText(quote.base)}</Line>
      <Line
        term={
          isZero(quote.discount.amount) ? "Volume discount" : `Volume discount, ${percent(quote.band.discountRate)}`
        }
      >
        {isZero(quote.discount.amount) ? "None" : `\u2212${moneyText(quote.discount)}`}
      </Line>
      <Line term={isZero(quote.bonusCredits) ? "Bonus credits" : `Bonus credits, ${percent(quote.band.bonusRate)}`}>
        {isZero(quote.bonusCredits) ? "None" : `+${plainDecimal(quote.bonusCredits)}`}
      </Line>
      <Line strong className="mt-3 border-t border-line pt-4" term="You get">
        {creditsPhrase(quote.totalCredits)}
      </Line>
      <Line strong className="mt-1" term="You pay">
        {moneyText(quote.total)}
      </Line>
    </dl>
  );
}

interface LineProps {
  term: string;
  strong?: boolean;
  className?: string;
  children: ReactNode;
}

function Line({ term, strong = false, className, children }: LineProps) {
  const look = strong ? "text-lg font-semibold tracking-tight" : "py-1.5";
  return (
    <div className={classNames("flex items-baseline justify-between gap-4", look, className)}>
      <dt className={strong ? undefined : "text-ink-soft"}>{term}</dt>
      <dd className="text-right whitespace-nowrap">{children}</dd>
    </div>
  );
}
