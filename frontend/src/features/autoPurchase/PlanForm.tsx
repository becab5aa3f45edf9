import { useState, type ChangeEvent } from "react";
import { Button } from "@/design/Button";
import { Field } from "@/design/Field";
import { SelectField } from "@/design/SelectField";
import { compareDecimals, creditsPhrase, isZero, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { cardName } from "@/features/paymentMethods/words";
import { quantitySchema } from "@/features/purchases/quantity";
import { useQuote, type QuoteState } from "@/features/purchases/useQuote";
import type { AutoPurchaseInput } from "@/gql/graphql";
import type { AutoPurchase, AutoPurchasePool } from "./autoPurchaseQueries";
import { inputOf, problemsOf, typedOf, type Field as Name, type Problems, type Typed } from "./plan";
import type { ChangeState } from "./usePlanChange";

interface PlanFormProps {
  pool: AutoPurchasePool;
  plan: AutoPurchase;
  state: ChangeState;
  onRefuse: (problems: Problems) => void;
  onSave: (input: AutoPurchaseInput, message: string) => void;
}

/** When, how much, up to what, and who pays. */
export function PlanForm({ pool, plan, state, onRefuse, onSave }: PlanFormProps) {
  const [typed, setTyped] = useState<Typed>(() => typedOf(plan, pool.paymentMethods ?? []));
  const quantity = quantitySchema.safeParse(typed.quantity);
  const quote = useQuote(pool.id, quantity.success ? quantity.data : null);
  const problems = state.kind === "refused" ? state.problems : {};
  const field = (name: Name) => ({
    error: problems[name],
    disabled: state.kind === "busy",
    onChange: ({ target }: ChangeEvent<HTMLInputElement | HTMLSelectElement>) =>
      setTyped({ ...typed, [name]: target.value }),
  });
  const save = () => {
    const found = problemsOf(typed);
    if (Object.keys(found).length > 0) onRefuse(found);
    else onSave(inputOf(typed), plan.enabled ? "Saved." : "Automatic purchases are on.");
  };
  return (
    <form
      noValidate
      className="mt-6 grid gap-5 border-t border-line pt-6"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <div className="grid gap-5 sm:grid-cols-2">
        <Field
          label="When fewer than"
          suffix="credits"
          inputMode="decimal"
          autoComplete="off"
          value={typed.threshold}
          hint={startsAtOnce(pool, typed) ?? "are available. What is held for requests is not available."}
          {...field("threshold")}
        />
        <Field
          label="Buy"
          suffix="credits"
          inputMode="decimal"
          autoComplete="off"
          value={typed.quantity}
          hint={<Price quote={quote} />}
          {...field("quantity")}
        />
        <Field
          label="At most, a month"
          suffix="USD"
          inputMode="decimal"
          autoComplete="off"
          value={typed.capMoney}
          hint="A cap is needed: in money, in credits, or both."
          {...field("capMoney")}
        />
        <Field
          label="And at most, a month"
          suffix="credits"
          inputMode="decimal"
          autoComplete="off"
          placeholder="No cap in credits"
          value={typed.capCredits}
          hint="Without the bonus. Whichever is reached first holds."
          {...field("capCredits")}
        />
        <CardChoice pool={pool} value={typed.cardId} {...field("cardId")} />
        <Field
          label="Mail to"
          placeholder="Owner and admins"
          autoComplete="off"
          value={typed.recipients}
          hint="Addresses with commas between. Refusals are always mailed."
          {...field("recipients")}
        />
      </div>
      <label className="flex items-center gap-2.5 text-sm">
        <input
          type="checkbox"
          className="size-4 accent-accent"
          checked={typed.notify}
          disabled={state.kind === "busy"}
          onChange={({ target }) => setTyped({ ...typed, notify: target.checked })}
        />
        Mail every purchase too, not only refusals
      </label>
      <div>
        <Button type="submit" look="primary" disabled={state.kind === "busy"}>
          {saveWord(plan)}
        </Button>
      </div>
    </form>
  );
}

function saveWord(plan: AutoPurchase): string {
  if (!plan.enabled) return "Switch on";
  return plan.state === "PAUSED" ? "Save and resume" : "Save";
}

/** What one purchase costs now; each is charged what it costs then. */
function Price({ quote: { quote, fresh, problem } }: { quote: QuoteState }) {
  if (problem !== null) return problem;
  if (quote === null || !fresh) return "…";
  const bonus = isZero(quote.bonusCredits) ? "" : `, with ${plainDecimal(quote.bonusCredits)} as a bonus`;
  return `${moneyText(quote.total)} at today’s prices${bonus}`;
}

function startsAtOnce(pool: AutoPurchasePool, { threshold }: Typed): string | null {
  const available = pool.balance?.available;
  const typed = threshold.trim().replace(",", ".");
  if (available == null || !/^\d{1,7}(\.\d{1,6})?$/.test(typed) || compareDecimals(available, typed) >= 0) return null;
  return `are available. Now there are ${creditsPhrase(available)}: the first purchase starts at once.`;
}

interface CardChoiceProps {
  pool: AutoPurchasePool;
  value: string;
  error: string | undefined;
  disabled: boolean;
  onChange: (event: ChangeEvent<HTMLSelectElement>) => void;
}

function CardChoice({ pool, ...select }: CardChoiceProps) {
  const cards = pool.paymentMethods ?? [];
  return (
    <SelectField
      label="Paid with"
      hint={cards.length === 0 ? "No card is saved yet: add one above." : "It is charged without you."}
      {...select}
    >
      <option value="">Choose a card</option>
      {cards.map((card) => (
        <option key={card.id} value={card.id} disabled={card.expiry === "EXPIRED"}>
          {cardName(card)}
          {card.expiry === "EXPIRED" ? ", expired" : ""}
        </option>
      ))}
    </SelectField>
  );
}
