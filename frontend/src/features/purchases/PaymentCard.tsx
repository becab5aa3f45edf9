import { useState, type ReactNode } from "react";
import { useQuery } from "urql";
import { Card } from "@/design/Card";
import { Skeleton } from "@/design/Skeleton";
import { CardForm } from "@/features/paymentMethods/CardForm";
import type { CardInHand } from "@/features/paymentMethods/cardInHand";
import { CardBadges } from "@/features/paymentMethods/CardBadges";
import { PaymentMethodsDocument, type PaymentMethod } from "@/features/paymentMethods/paymentMethodQueries";
import { cardName, expiryText } from "@/features/paymentMethods/words";

interface PaymentCardProps {
  poolId: string;
  formId: string;
  locked: boolean;
  onSubmit: (createPaymentMethod: CardInHand["createPaymentMethod"]) => void;
}

const newCard = "new";

/** How it is paid: with one of the pool's cards, or with a new one. */
export function PaymentCard({ poolId, formId, locked, onSubmit }: PaymentCardProps) {
  // Asked apart from the prices: Stripe, which keeps the cards, may be slow or away, and a new card can be typed all the same.
  const [{ data, fetching }] = useQuery({ query: PaymentMethodsDocument, variables: { poolId } });
  const saved = (data?.pool?.paymentMethods ?? []).filter(({ expiry }) => expiry !== "EXPIRED");
  const [chosen, setChosen] = useState<string | null>(null);
  const preferred = saved.find(({ isDefault }) => isDefault) ?? saved[0];
  const choice = chosen ?? preferred?.id ?? newCard;
  const card = saved.find(({ id }) => id === choice);
  // Nobody begins to type a new card that then gives way to a saved one.
  if (fetching && data === undefined) {
    return (
      <Card title="Card">
        <Skeleton className="h-40" />
      </Card>
    );
  }
  return (
    <Card title="Card">
      {saved.length > 0 && <Choices saved={saved} choice={choice} disabled={locked} onChoose={setChosen} />}
      {card === undefined ? (
        <CardForm id={formId} disabled={locked} onSubmit={(typed) => onSubmit(typed.createPaymentMethod)} />
      ) : (
        <form
          id={formId}
          onSubmit={(event) => {
            event.preventDefault();
            onSubmit(() => Promise.resolve(card.id));
          }}
        />
      )}
    </Card>
  );
}

interface ChoicesProps {
  saved: PaymentMethod[];
  choice: string;
  disabled: boolean;
  onChoose: (choice: string) => void;
}

function Choices({ saved, choice, disabled, onChoose }: ChoicesProps) {
  return (
    <fieldset disabled={disabled} className="mb-5 grid gap-2 has-[+form:empty]:mb-0">
      <legend className="sr-only">Pay with</legend>
      {saved.map((card) => (
        <Choice key={card.id} value={card.id} choice={choice} onChoose={onChoose}>
          <span className="font-medium">{cardName(card)}</span>
          <CardBadges card={card} />
          <span className="text-xs text-ink-faint sm:ml-auto">{expiryText(card.expiresOn)}</span>
        </Choice>
      ))}
      <Choice value={newCard} choice={choice} onChoose={onChoose}>
        <span className="font-medium">A new card</span>
      </Choice>
    </fieldset>
  );
}

interface ChoiceProps {
  value: string;
  choice: string;
  onChoose: (choice: string) => void;
  children: ReactNode;
}

function Choice({ value, choice, onChoose, children }: ChoiceProps) {
  return (
    <label className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line-strong/60 px-3.5 py-2 text-sm has-[:checked]:border-accent has-[:checked]:bg-accent-wash">
      <input
        type="radio"
        name="card"
        value={value}
        checked={choice === value}
        className="size-4 accent-accent"
        onChange={() => onChoose(value)}
      />
      {children}
    </label>
  );
}
