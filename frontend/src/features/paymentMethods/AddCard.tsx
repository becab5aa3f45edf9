import { useCallback, useEffect, useId, useState } from "react";
import { useClient } from "urql";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { Skeleton } from "@/design/Skeleton";
import { CardForm } from "./CardForm";
import { CardRefused, type CardInHand } from "./cardInHand";
import { FinishSetupDocument, SetupDocument } from "./paymentMethodQueries";

type SetupState =
  | { kind: "beginning" }
  | { kind: "unavailable"; message: string }
  | { kind: "ready"; setupId: string; clientSecret: string };

type SaveState = { kind: "idle" } | { kind: "saving" } | { kind: "refused"; reason: string; advice: string };

interface AddCardProps {
  poolId: string;
  onSaved: () => void;
  onCancel: () => void;
}

/** A new card: begun here, typed into Stripe's form, confirmed with the bank if that asks. */
export function AddCard({ poolId, onSaved, onCancel }: AddCardProps) {
  const { setup, retry } = useSetup(poolId);
  const formId = useId();
  const { state, save } = useSaving(setup, onSaved);
  const saving = state.kind === "saving";
  return (
    <section aria-label="Add a card" className="[ul+&]:mt-5 [ul+&]:border-t [ul+&]:border-line [ul+&]:pt-5">
      {setup.kind === "beginning" && <Skeleton className="h-40" />}
      {setup.kind === "unavailable" && (
        <Notice
          live
          tone="caution"
          title={setup.message}
          action={
            <Button size="small" onClick={retry}>
              Try again
            </Button>
          }
        />
      )}
      {setup.kind === "ready" && (
        <CardForm
          id={formId}
          disabled={saving}
          clientSecret={setup.clientSecret}
          onSubmit={(card) => void save(card)}
        />
      )}
      {state.kind === "refused" && (
        <Notice live tone="danger" className="mt-5" title={state.reason}>
          {state.advice}
        </Notice>
      )}
      <div className="mt-5 flex gap-3">
        {setup.kind === "ready" && (
          <Button look="primary" type="submit" form={formId} aria-disabled={saving}>
            {saving ? "Saving…" : "Save the card"}
          </Button>
        )}
        <Button look="quiet" disabled={saving} onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </section>
  );
}

/** A setup at Stripe, begun when the form is opened. */
function useSetup(poolId: string): { setup: SetupState; retry: () => void } {
  const client = useClient();
  const [tries, setTries] = useState(0);
  const [setup, setSetup] = useState<SetupState>({ kind: "beginning" });
  useEffect(() => {
    let left = false;
    void client
      .mutation(SetupDocument, { poolId })
      .toPromise()
      .then(({ data }) => {
        if (left) return;
        const payload = data?.paymentMethodSetup;
        if (payload?.setup && payload.clientSecret != null) {
          setSetup({ kind: "ready", setupId: payload.setup.id, clientSecret: payload.clientSecret });
        } else {
          const message = payload?.userErrors[0]?.message ?? "The card form couldn’t be prepared";
          setSetup({ kind: "unavailable", message });
        }
      });
    return () => {
      left = true;
    };
  }, [client, poolId, tries]);
  const retry = useCallback(() => {
    setSetup({ kind: "beginning" });
    setTries((count) => count + 1);
  }, []);
  return { setup, retry };
}

function useSaving(setup: SetupState, onSaved: () => void) {
  const client = useClient();
  const [state, setState] = useState<SaveState>({ kind: "idle" });
  const save = async (card: CardInHand) => {
    if (setup.kind !== "ready" || state.kind === "saving") return;
    setState({ kind: "saving" });
    try {
      const returnUrl = new URL(location.pathname + location.search, location.origin);
      // "leaving": the browser is on its way, and this page with its form ends.
      if ((await card.save(setup.clientSecret, returnUrl.href)) === "leaving") return;
    } catch (error) {
      if (!(error instanceof CardRefused)) throw error;
      setState({
        kind: "refused",
        reason: error.message,
        advice: "Nothing was saved. Check the card, or try another one.",
      });
      return;
    }
    // Whatever this answers: the card is saved, and Stripe's event does the same.
    await client.mutation(FinishSetupDocument, { id: setup.setupId });
    onSaved();
  };
  return { state, save };
}
