/**
 * After 3-D Secure, Stripe sends the browser back with a client secret in the address. It has no business in the history
 * or in a copied link, and the truth about a payment or a card comes from our own API: take it out. The id of a card's
 * setup stays, for the page to ask by.
 */
export function cleanReturnAddress(): void {
  const address = new URL(location.href);
  const added = ["payment_intent", "payment_intent_client_secret", "setup_intent_client_secret", "redirect_status"];
  if (!added.some((name) => address.searchParams.has(name))) return;
  added.forEach((name) => address.searchParams.delete(name));
  history.replaceState(history.state, "", address);
}
