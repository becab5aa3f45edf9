const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The API's id of the purchase in an address. Our own links carry that id; e-mails and the return from the bank carry
 * the bare UUID, because what writes them knows nothing of the API's ids.
 */
export function purchaseIdIn(address: string): string {
  if (!uuid.test(address)) return address;
  return btoa(`CreditPurchase:${address.toLowerCase()}`).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
