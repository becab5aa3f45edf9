import type { CardUse } from "@/gql/graphql";
import type { PaymentMethod } from "./paymentMethodQueries";

const brands: Record<string, string> = {
  amex: "American Express",
  cartes_bancaires: "Cartes Bancaires",
  diners: "Diners Club",
  discover: "Discover",
  eftpos_au: "Eftpos",
  jcb: "JCB",
  mastercard: "Mastercard",
  unionpay: "UnionPay",
  visa: "Visa",
};

/** "Visa ending in 4242" */
export function cardName({ brand, last4 }: Pick<PaymentMethod, "brand" | "last4">): string {
  return `${brands[brand] ?? "Card"} ending in ${last4}`;
}

/** "2028-12-31" -> "12/2028", as it is printed on the card. */
export function expiryText(expiresOn: string): string {
  const [year, month] = expiresOn.split("-");
  return `${month}/${year}`;
}

export const cardUses: Record<CardUse, string> = {
  AUTO_PURCHASE: "Automatic purchases",
  SUBSCRIPTION: "Subscription",
};
