export interface MoneyValue {
  amount: string;
  currency: string;
}

/**
 * Print an amount such as {"95.00", "USD"} as "$95.00". Intl takes the decimal string itself, so that no cent is lost.
 */
export function moneyText({ amount, currency }: MoneyValue, locale = "en-US"): string {
  return new Intl.NumberFormat(locale, { style: "currency", currency }).format(amount as `${number}`);
}
