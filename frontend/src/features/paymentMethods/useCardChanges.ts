import { useState } from "react";
import { useClient } from "urql";
import { MakeDefaultDocument, RemoveDocument, type PaymentMethod } from "./paymentMethodQueries";
import { cardName } from "./words";

export type ChangeState =
  { kind: "idle" } | { kind: "busy" } | { kind: "said"; message: string } | { kind: "refused"; message: string };

const noAnswer = "We didn’t hear back. Look at the list before you try again.";

/** Change the list of cards; each answer brings the list as Stripe has it now. */
export function useCardChanges() {
  const client = useClient();
  const [state, setState] = useState<ChangeState>({ kind: "idle" });

  const makeDefault = async (card: PaymentMethod) => {
    setState({ kind: "busy" });
    const { data } = await client.mutation(MakeDefaultDocument, { id: card.id });
    const payload = data?.paymentMethodMakeDefault;
    const [error] = payload?.userErrors ?? [];
    if (payload === undefined) setState({ kind: "refused", message: noAnswer });
    else if (error) setState({ kind: "refused", message: error.message });
    else setState({ kind: "said", message: `${cardName(card)} is the default now.` });
  };

  /** Why it was refused, or null: the card is gone. */
  const remove = async (card: PaymentMethod): Promise<string | null> => {
    const { data } = await client.mutation(RemoveDocument, { id: card.id });
    const payload = data?.paymentMethodRemove;
    return payload === undefined ? noAnswer : (payload.userErrors[0]?.message ?? null);
  };

  return { state, makeDefault, remove, said: (message: string) => setState({ kind: "said", message }) };
}
