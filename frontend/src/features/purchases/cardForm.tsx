import { zodResolver } from "@hookform/resolvers/zod";
import { Lock } from "lucide-react";
import { useForm } from "react-hook-form";
import type { AppConfig } from "@/app/appConfig";
import { Field } from "@/design/Field";
import { cardSchema, groupCardNumber, groupExpiry, type Card, type CardInput } from "./card";
import { TestCards } from "./TestCards";

/** The card could not be turned into a payment method; nothing was charged. */
export class CardRefused extends Error {
  constructor(
    reason: string,
    readonly advice: string,
  ) {
    super(reason);
  }
}

interface CardFormProps {
  /** For the pay button, which stands elsewhere: <button form={id}>. */
  id: string;
  apiBase: string;
  publishableKey: string;
  testCards: boolean;
  disabled: boolean;
  /** The fields are well-formed; call the function to hand the card to Stripe and get a pm_... id. */
  onSubmit: (createPaymentMethod: () => Promise<string>) => void;
}

/** Card fields that post to Stripe's API alone: no card number ever reaches this application's server. */
export function CardForm({ id, apiBase, publishableKey, testCards, disabled, onSubmit }: CardFormProps) {
  const { register, handleSubmit, setValue, getValues, clearErrors, formState } = useForm<CardInput, unknown, Card>({
    resolver: zodResolver(cardSchema),
    mode: "onTouched",
    defaultValues: { number: "", expiry: "", cvc: "" },
  });
  const { errors } = formState;
  const number = register("number", {
    onChange: (event: { target: HTMLInputElement }) => setValue("number", groupCardNumber(event.target.value)),
  });
  const before = getValues("expiry");
  const expiry = register("expiry", {
    onChange: (event: { target: HTMLInputElement }) => setValue("expiry", groupExpiry(event.target.value, before)),
  });
  const fill = (card: CardInput) => {
    setValue("number", card.number);
    setValue("expiry", card.expiry);
    setValue("cvc", card.cvc);
    clearErrors();
  };
  return (
    <form
      id={id}
      noValidate
      onSubmit={handleSubmit((card) => onSubmit(() => createPaymentMethod(apiBase, publishableKey, card)))}
    >
      <fieldset disabled={disabled} className="grid min-w-0 grid-cols-2 gap-4">
        <legend className="sr-only">Card</legend>
        <Field
          {...number}
          label="Card number"
          className="col-span-2"
          inputMode="numeric"
          autoComplete="cc-number"
          placeholder="1234 1234 1234 1234"
          error={errors.number?.message}
        />
        <Field
          {...expiry}
          label="Expiry"
          inputMode="numeric"
          autoComplete="cc-exp"
          placeholder="MM / YY"
          error={errors.expiry?.message}
        />
        <Field
          {...register("cvc")}
          label="Security code"
          inputMode="numeric"
          autoComplete="cc-csc"
          placeholder="CVC"
          maxLength={4}
          error={errors.cvc?.message}
        />
      </fieldset>
      <p className="mt-4 flex items-start gap-2 text-xs text-ink-faint">
        <Lock aria-hidden className="mt-0.5 size-3.5 shrink-0" />
        Your card goes straight to Stripe and is never stored here.
      </p>
      {testCards && <TestCards disabled={disabled} onChoose={fill} />}
    </form>
  );
}

interface StripeAnswer {
  id?: string;
  error?: { message?: string };
}

/** POST {apiBase}/v1/payment_methods with the publishable key, as Stripe's own form does; gives the pm_... id. */
async function createPaymentMethod(
  apiBase: string,
  publishableKey: AppConfig["stripe"]["publishableKey"],
  card: Card,
): Promise<string> {
  const body = new URLSearchParams({
    type: "card",
    "card[number]": card.number,
    "card[exp_month]": String(card.expiry.month),
    "card[exp_year]": String(card.expiry.year),
    "card[cvc]": card.cvc,
  });
  let answer: StripeAnswer;
  try {
    const response = await fetch(`${apiBase}/v1/payment_methods`, {
      method: "POST",
      headers: { Authorization: `Bearer ${publishableKey}` },
      body,
    });
    answer = (await response.json()) as StripeAnswer;
  } catch {
    throw new CardRefused(
      "Stripe can’t be reached right now.",
      "Nothing was charged. Check your connection, then try again.",
    );
  }
  if (answer.id === undefined) {
    throw new CardRefused(
      answer.error?.message ?? "Stripe refused this card.",
      "Nothing was charged. Check the card, or try another one.",
    );
  }
  return answer.id;
}
