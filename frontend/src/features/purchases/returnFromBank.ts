/**
 * After 3-D Secure, Stripe sends the browser back with the payment's client secret in the address. It has no business
 * in the history or in a copied link, and the truth about the payment comes from our own API: take it out.
 */
export function cleanReturnAddress(): void {
  const address = new URL(location.href);
  const added = ["payment_intent", "payment_intent_client_secret", "redirect_status"];
  if (!added.some((name) => address.searchParams.has(name))) return;
  added.forEach((name) => address.searchParams.delete(name));
  history.replaceState(history.state, "", address);
}
