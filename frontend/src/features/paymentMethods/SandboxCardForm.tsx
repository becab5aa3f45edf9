import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";
import { Field } from "@/design/Field";
import { cardSchema, groupCardNumber, groupExpiry, type Card, type CardInput } from "./card";
import type { CardFormProps } from "./cardInHand";
import { cardInHand } from "./sandboxApi";
import { StraightToStripe } from "./StraightToStripe";
import { TestCards } from "./TestCards";

/** Card fields that post to the sandbox alone: no card number ever reaches this application's server. */
export function SandboxCardForm({ id, config, disabled, onSubmit }: CardFormProps) {
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
    <form id={id} noValidate onSubmit={handleSubmit((card) => onSubmit(cardInHand(config.stripe, card)))}>
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
      <StraightToStripe />
      {config.env === "development" && <TestCards disabled={disabled} onChoose={fill} />}
    </form>
  );
}
