import type { Quote } from "./purchaseQueries";

/**
 * One attempt to pay. Its key goes with every sending of it, so that the server charges it at most once, however
 * often it is sent: after a double click, a lost answer, a reload of the page.
 */
export interface Attempt {
  poolId: string;
  quote: Quote;
  paymentMethodId: string;
  idempotencyKey: string;
}

const storageKey = "portal.attempt";

export function newAttempt(poolId: string, quote: Quote, paymentMethodId: string): Attempt {
  return { poolId, quote, paymentMethodId, idempotencyKey: crypto.randomUUID() };
}

/** Keep an attempt until the server has answered it; it survives a reload of the page. No card data is in it. */
export function keepAttempt(attempt: Attempt): void {
  sessionStorage.setItem(storageKey, JSON.stringify(attempt));
}

export function forgetAttempt(): void {
  sessionStorage.removeItem(storageKey);
}

/** The attempt for this pool that was sent and never answered, if there is one. */
export function unansweredAttempt(poolId: string): Attempt | null {
  const stored = sessionStorage.getItem(storageKey);
  if (stored === null) return null;
  const attempt = JSON.parse(stored) as Attempt;
  return attempt.poolId === poolId ? attempt : null;
}
