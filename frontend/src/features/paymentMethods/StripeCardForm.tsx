import { Elements, PaymentElement, useElements, useStripe } from "@stripe/react-stripe-js";
import { loadStripe } from "@stripe/stripe-js/pure";
import type { Stripe, StripeElements, StripeElementsOptions, StripePaymentElementOptions } from "@stripe/stripe-js";
import { useEffect, useMemo, useState, type SubmitEvent } from "react";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { useTheme } from "@/design/theme";
import { refused, unreachable, type CardFormProps, type CardInHand } from "./cardInHand";
import { StraightToStripe } from "./StraightToStripe";

/** Card fields in Stripe's own frames. Its script comes from js.stripe.com, which the security policy allows with real keys alone. */
export default function StripeCardForm({ clientSecret, ...form }: CardFormProps) {
  const { stripe, failed, retry } = useStripeScript(form.config.stripe.publishableKey);
  const dark = useDark();
  const options = useMemo<StripeElementsOptions>(() => {
    const appearance = { theme: dark ? ("night" as const) : ("stripe" as const) };
    if (clientSecret !== undefined) return { clientSecret, appearance };
    return {
      mode: "payment",
      // Only wallets would show them, and there are none: what is charged is the server's quote.
      amount: 1000,
      currency: "usd",
      paymentMethodCreation: "manual",
      allowedPaymentMethodTypes: ["card"],
      appearance,
    };
  }, [clientSecret, dark]);
  if (failed) {
    return (
      <Notice
        tone="danger"
        title="Stripe’s card form couldn’t be loaded"
        action={
          <Button size="small" onClick={retry}>
            Try again
          </Button>
        }
      />
    );
  }
  return (
    <Elements stripe={stripe} options={options} key={clientSecret ?? "payment"}>
      <Fields {...form} />
    </Elements>
  );
}

const element: StripePaymentElementOptions = {
  layout: "tabs",
  wallets: { applePay: "never", googlePay: "never", link: "never" },
};

function Fields({ id, disabled, onSubmit }: Omit<CardFormProps, "clientSecret">) {
  const stripe = useStripe();
  const elements = useElements();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (stripe === null || elements === null || disabled) return;
    // Stripe marks what is wrong beside its fields.
    const { error } = await elements.submit();
    if (error === undefined) onSubmit(cardInHand(stripe, elements));
  };
  return (
    <form id={id} noValidate onSubmit={(event) => void submit(event)}>
      <PaymentElement options={{ ...element, readOnly: disabled }} />
      <StraightToStripe />
    </form>
  );
}

function cardInHand(stripe: Stripe, elements: StripeElements): CardInHand {
  return {
    createPaymentMethod: async () => {
      const { paymentMethod, error } = await stripe.createPaymentMethod({ elements });
      if (error !== undefined) throw error.type === "api_connection_error" ? unreachable() : refused(error.message);
      return paymentMethod.id;
    },
    save: async (_, returnUrl) => {
      // Comes back only with an error: else the browser is on its way to `returnUrl`, by the bank's page if need be.
      const { error } = await stripe.confirmSetup({ elements, confirmParams: { return_url: returnUrl } });
      throw error.type === "api_connection_error" ? unreachable() : refused(error.message);
    },
  };
}

/** Stripe's script, loaded once a visit; tried again when that failed. */
function useStripeScript(publishableKey: string) {
  const [tries, setTries] = useState(0);
  const [state, setState] = useState<{ stripe: Stripe | null; failed: boolean }>({ stripe: null, failed: false });
  useEffect(() => {
    let left = false;
    loadStripe(publishableKey)
      .then((stripe) => {
        if (!left) setState({ stripe, failed: stripe === null });
      })
      .catch(() => {
        if (!left) setState({ stripe: null, failed: true });
      });
    return () => {
      left = true;
    };
  }, [publishableKey, tries]);
  const retry = () => {
    setState({ stripe: null, failed: false });
    setTries((count) => count + 1);
  };
  return { ...state, retry };
}

function useDark(): boolean {
  const theme = useTheme();
  return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}
