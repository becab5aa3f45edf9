import { useState } from "react";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Notice } from "@/design/Notice";
import type { PaymentMethodsQuery } from "@/gql/graphql";
import { AddCard } from "./AddCard";
import { CardRow } from "./CardRow";
import type { PaymentMethod } from "./paymentMethodQueries";
import { RemoveDialog } from "./RemoveDialog";
import { ReturnedFromBank } from "./ReturnedFromBank";
import { useCardChanges } from "./useCardChanges";
import { cardName } from "./words";

interface CardsSectionProps {
  pool: NonNullable<PaymentMethodsQuery["pool"]>;
  cards: PaymentMethod[];
  onRefresh: () => void;
}

/** The list of cards, and everything that can be done with one. */
export function CardsSection({ pool, cards, onRefresh }: CardsSectionProps) {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<PaymentMethod | null>(null);
  const { state, makeDefault, remove, said } = useCardChanges();
  const finished = (message: string) => {
    setAdding(false);
    said(message);
    onRefresh();
  };
  return (
    <Card
      title="Cards"
      action={
        pool.canAdd && !adding ? (
          <Button size="small" onClick={() => setAdding(true)}>
            Add a card
          </Button>
        ) : undefined
      }
    >
      <ReturnedFromBank onSaved={() => finished("The card is saved.")} />
      {state.kind === "said" && <Notice live tone="offer" className="mb-4" title={state.message} />}
      {state.kind === "refused" && <Notice live tone="danger" className="mb-4" title={state.message} />}
      {cards.length === 0 && !adding && (
        <p className="text-sm text-ink-soft">
          No card is saved yet. A saved card pays with one click, and automatic purchases and subscriptions need one.
        </p>
      )}
      {cards.length > 0 && (
        <ul aria-label="Saved cards" className="divide-y divide-line">
          {cards.map((card) => (
            <CardRow
              key={card.id}
              card={card}
              canChange={pool.canChange}
              busy={state.kind === "busy"}
              onMakeDefault={() => void makeDefault(card)}
              onRemove={() => setRemoving(card)}
            />
          ))}
        </ul>
      )}
      {adding && (
        <AddCard poolId={pool.id} onSaved={() => finished("The card is saved.")} onCancel={() => setAdding(false)} />
      )}
      {removing && (
        <RemoveDialog
          card={removing}
          onClose={() => setRemoving(null)}
          onConfirm={async () => {
            const refusal = await remove(removing);
            if (refusal === null) {
              setRemoving(null);
              said(`${cardName(removing)} is removed.`);
            }
            return refusal;
          }}
        />
      )}
    </Card>
  );
}
