import type { AppConfig } from "@/app/appConfig";
import type { Card } from "./card";
import { refused, unreachable, type CardInHand } from "./cardInHand";

interface StripeAnswer {
  id?: string;
  status?: string;
  next_action?: { redirect_to_url?: { url: string } | null } | null;
  error?: { message?: string };
}

/** What Stripe's own form does, done by hand against the development sandbox, with the publishable key. */
export function cardInHand(stripe: AppConfig["stripe"], card: Card): CardInHand {
  const createPaymentMethod = async () => {
    const made = await post(stripe, "/v1/payment_methods", {
      type: "card",
      "card[number]": card.number,
      "card[exp_month]": String(card.expiry.month),
      "card[exp_year]": String(card.expiry.year),
      "card[cvc]": card.cvc,
    });
    if (made.id === undefined) throw refused(made.error?.message);
    return made.id;
  };
  const save = async (clientSecret: string, returnUrl: string) => {
    const setupId = clientSecret.split("_secret_", 1)[0] ?? "";
    const setup = await post(stripe, `/v1/setup_intents/${setupId}/confirm`, {
      client_secret: clientSecret,
      payment_method: await createPaymentMethod(),
      return_url: returnUrl,
    });
    if (setup.id === undefined) throw refused(setup.error?.message);
    const bank = setup.next_action?.redirect_to_url?.url;
    if (bank === undefined) return "saved";
    location.assign(bank);
    return "leaving";
  };
  return { createPaymentMethod, save };
}

async function post(
  { apiBase, publishableKey }: AppConfig["stripe"],
  path: string,
  form: Record<string, string>,
): Promise<StripeAnswer> {
  try {
    const response = await fetch(`${apiBase}${path}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${publishableKey}` },
      body: new URLSearchParams(form),
    });
    return (await response.json()) as StripeAnswer;
  } catch {
    throw unreachable();
  }
}
