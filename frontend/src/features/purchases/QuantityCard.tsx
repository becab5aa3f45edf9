import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Field } from "@/design/Field";
import { Notice } from "@/design/Notice";
import { creditsPhrase, plainDecimal, subtractDecimals } from "@/format/decimal";
import { moneyText } from "@/format/money";
import type { BuyQuery } from "@/gql/graphql";
import { PriceBands } from "./PriceBands";
import type { Quote } from "./purchaseQueries";
import type { QuoteState } from "./useQuote";

interface QuantityCardProps {
  bands: BuyQuery["creditBands"];
  typed: string;
  error: string | undefined;
  quote: QuoteState;
  disabled: boolean;
  onType: (typed: string) => void;
}

/** How many credits: typed, or chosen from the volume prices. */
export function QuantityCard({ bands, typed, error, quote, disabled, onType }: QuantityCardProps) {
  const better = quote.fresh ? quote.quote?.betterQuantity : null;
  return (
    <Card title="Quantity">
      <Field
        label="Credits"
        value={typed}
        inputMode="decimal"
        autoComplete="off"
        disabled={disabled}
        error={error}
        hint="1 to 10,000, in steps of 0.01. Purchased credits never expire."
        suffix="credits"
        boxClassName="h-14 [&_input]:text-xl [&_input]:font-semibold [&_input]:tracking-tight [&_input]:px-4 [&>span]:pr-4"
        onChange={(event) => onType(event.target.value)}
      />
      {error === undefined && quote.problem !== null && (
        <Notice
          live
          tone="danger"
          className="mt-4"
          title={quote.problem}
          action={
            <Button size="small" onClick={() => void quote.requote()}>
              Try again
            </Button>
          }
        />
      )}
      <div className="mt-5">
        <PriceBands
          bands={bands}
          active={error === undefined && quote.quote ? quote.quote.band.minCredits : null}
          disabled={disabled}
          onChoose={(credits) => onType(plainInput(credits))}
        />
      </div>
      {better && quote.quote && (
        <Notice
          tone="offer"
          className="mt-5 animate-appear"
          title={`${creditsPhrase(better.credits)} cost ${saving(quote.quote, better)}`}
          action={
            <Button size="small" disabled={disabled} onClick={() => onType(plainInput(better.credits))}>
              Take {plainDecimal(better.credits)}
            </Button>
          }
        >
          {moneyText(better.total)} instead of {moneyText(quote.quote.total)}, and you get{" "}
          {creditsPhrase(better.totalCredits)}.
        </Notice>
      )}
    </Card>
  );
}

function saving(quote: Quote, better: NonNullable<Quote["betterQuantity"]>): string {
  const amount = subtractDecimals(quote.total.amount, better.total.amount);
  return amount === "0" ? "the same" : `${moneyText({ ...better.total, amount })} less`;
}

/** "10.000000" -> "10", and no grouping: the text of the input. */
function plainInput(credits: string): string {
  return plainDecimal(credits).replaceAll(",", "");
}
