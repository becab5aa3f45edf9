import { useRef, useState } from "react";
import { useClient } from "urql";
import type { ErrorCode } from "@/gql/graphql";
import { forgetAttempt, keepAttempt, newAttempt, unansweredAttempt, type Attempt } from "./attempt";
import { CardRefused } from "@/features/paymentMethods/cardInHand";
import { PurchaseDocument, type Purchase, type Quote } from "./purchaseQueries";
import { sameTerms } from "./useQuote";

export type PayState =
  | { kind: "ready" }
  | { kind: "paying" }
  /** Sent, but no answer came: the card may or may not be charged. Only the same attempt may be sent again. */
  | { kind: "unanswered"; attempt: Attempt }
  | { kind: "refused"; reason: string; advice: string }
  | { kind: "repriced" };

interface PurchaseHandlers {
  poolId: string;
  requote: () => Promise<Quote | null>;
  /** The purchase exists: its own page tells the rest. */
  onPurchase: (purchase: Purchase) => void;
}

const newCard = "Nothing was charged. Try another card, or ask your bank.";

const advice: Partial<Record<ErrorCode, string>> = {
  PAYMENT_DECLINED: newCard,
  FORBIDDEN: "Nothing was charged. Ask the owner of the pool.",
  QUOTE_USED: "This price was already paid with. Look at the overview before you pay again.",
  IDEMPOTENCY_MISMATCH: "Look at the overview before you pay again.",
};

/** Pay for a quote, once. */
export function usePurchase({ poolId, requote, onPurchase }: PurchaseHandlers) {
  const client = useClient();
  const [state, setState] = useState<PayState>(() => {
    const attempt = unansweredAttempt(poolId);
    return attempt ? { kind: "unanswered", attempt } : { kind: "ready" };
  });
  // A second click comes before React has drawn the first one's state.
  const busy = useRef(false);

  const refuse = async (reason: string, what: string) => {
    // A quote is good for one attempt: the next one needs its own, before the button is there again.
    await requote();
    setState({ kind: "refused", reason, advice: what });
  };

  const renew = async (attempt: Attempt) => {
    const quote = await requote();
    if (quote && sameTerms(quote, attempt.quote)) await send(newAttempt(poolId, quote, attempt.paymentMethodId), true);
    else setState({ kind: "repriced" });
  };

  const send = async (attempt: Attempt, renewed = false): Promise<void> => {
    keepAttempt(attempt);
    const { quote, paymentMethodId, idempotencyKey } = attempt;
    const result = await client.mutation(PurchaseDocument, { quoteId: quote.id, paymentMethodId, idempotencyKey });
    const payload = result.data?.creditsPurchase;
    if (payload === undefined) {
      setState({ kind: "unanswered", attempt });
      return;
    }
    forgetAttempt();
    const { purchase } = payload;
    const [error] = payload.userErrors;
    if (purchase && purchase.status !== "FAILED") onPurchase(purchase);
    else if (error?.code === "QUOTE_EXPIRED" && !renewed) await renew(attempt);
    else if (error) await refuse(error.message, advice[error.code] ?? "Nothing was charged.");
    else await refuse(purchase?.failureReason ?? "The payment was refused.", newCard);
  };

  const exclusively = async (work: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setState({ kind: "paying" });
    try {
      await work();
    } finally {
      busy.current = false;
    }
  };

  /** Hand the card to Stripe, then buy what the quote says with what Stripe gave for it. */
  const pay = (quote: Quote, createPaymentMethod: () => Promise<string>) =>
    exclusively(async () => {
      try {
        const paymentMethodId = await createPaymentMethod();
        await send(newAttempt(poolId, quote, paymentMethodId));
      } catch (error) {
        if (!(error instanceof CardRefused)) throw error;
        setState({ kind: "refused", reason: error.message, advice: error.advice });
      }
    });

  /** Send an unanswered attempt again, with its own key. */
  const resend = (attempt: Attempt) => exclusively(() => send(attempt));

  return { state, pay, resend, dismiss: () => setState({ kind: "ready" }) };
}
