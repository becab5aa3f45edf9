import { Link } from "@tanstack/react-router";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { moneyText } from "@/format/money";
import type { Attempt } from "./attempt";
import type { QuoteState } from "./useQuote";
import type { PayState } from "./usePurchase";

interface PayPanelProps {
  /** The card form's id: the button submits it. */
  formId: string;
  quote: QuoteState;
  state: PayState;
  /** False while there is no card form to submit. */
  payable: boolean;
  onResend: (attempt: Attempt) => void;
}

/** The button that pays, and what came of the last click. */
export function PayPanel({ formId, quote, state, payable, onResend }: PayPanelProps) {
  if (state.kind === "unanswered") return <Unanswered attempt={state.attempt} onResend={onResend} />;
  const paying = state.kind === "paying";
  const ready = payable && quote.fresh;
  const total = quote.quote ? moneyText(quote.quote.total) : null;
  return (
    <div className="grid gap-4">
      {state.kind === "refused" && (
        <Notice live tone="danger" title={state.reason}>
          {state.advice}
        </Notice>
      )}
      {state.kind === "repriced" && (
        <Notice live tone="caution" title="The price has changed">
          Nothing was charged. This is the price now; pay if you agree.
        </Notice>
      )}
      {/* While paying it stays enabled, so that the keyboard's focus stays; a second click does nothing. */}
      <Button
        look="primary"
        size="large"
        type="submit"
        form={formId}
        disabled={!ready && !paying}
        aria-disabled={paying}
        className="w-full"
      >
        {paying ? "Paying…" : total === null ? "Pay" : `Pay ${total}`}
      </Button>
    </div>
  );
}

function Unanswered({ attempt, onResend }: { attempt: Attempt; onResend: (attempt: Attempt) => void }) {
  return (
    <div className="grid gap-4">
      <Notice live tone="caution" title="We didn’t hear whether the payment went through">
        Ask again: it is the same payment of {moneyText(attempt.quote.total)}, and it is never charged twice.
      </Notice>
      <Button autoFocus look="primary" size="large" className="w-full" onClick={() => onResend(attempt)}>
        Ask again
      </Button>
      <Button asChild look="quiet">
        <Link to="/">Look at the overview</Link>
      </Button>
    </div>
  );
}
