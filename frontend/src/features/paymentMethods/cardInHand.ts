import type { AppConfig } from "@/app/appConfig";

/** A card that somebody has typed and that is still in the browser: Stripe alone gets it, this application's server never does. */
export interface CardInHand {
  /** For one payment: Stripe's id of the card (pm_...). Throws CardRefused. */
  createPaymentMethod: () => Promise<string>;
  /**
   * For later payments, by a setup's client secret: "saved", or "leaving" when the browser is on its way to the bank
   * or to `returnUrl`. Throws CardRefused.
   */
  save: (clientSecret: string, returnUrl: string) => Promise<"saved" | "leaving">;
}

/** Stripe would not take the card; nothing was charged and nothing saved. */
export class CardRefused extends Error {
  constructor(
    reason: string,
    readonly advice: string,
  ) {
    super(reason);
  }
}

export const unreachable = () =>
  new CardRefused("Stripe can’t be reached right now.", "Nothing was charged. Check your connection, then try again.");

export const refused = (reason: string | undefined) =>
  new CardRefused(reason ?? "Stripe refused this card.", "Nothing was charged. Check the card, or try another one.");

export interface CardFormProps {
  /** For the button that submits the form and stands elsewhere: <button form={id}>. */
  id: string;
  config: AppConfig;
  disabled: boolean;
  /** What the card is for: a payment of this application's, or a setup that its client secret names. */
  clientSecret?: string | undefined;
  /** The fields are well-formed. */
  onSubmit: (card: CardInHand) => void;
}
