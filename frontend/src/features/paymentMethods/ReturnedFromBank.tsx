import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useClient } from "urql";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { FinishSetupDocument } from "./paymentMethodQueries";

type Outcome =
  { kind: "unknown" } | { kind: "open"; nextActionUrl: string | null } | { kind: "failed"; reason: string };

/** Stripe's id of a setup in the address: the browser comes from the bank. What became of it, our own API says. */
export function ReturnedFromBank({ onSaved }: { onSaved: () => void }) {
  const { setup_intent: setupId } = useSearch({ from: "/payment" });
  const client = useClient();
  const navigate = useNavigate();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (setupId === undefined) return;
    let left = false;
    void client
      .mutation(FinishSetupDocument, { id: setupId })
      .toPromise()
      .then(({ data }) => {
        if (left) return;
        const payload = data?.paymentMethodSetupFinish;
        const setup = payload?.setup;
        if (setup?.status === "SUCCEEDED") {
          void navigate({ to: "/payment", search: {}, replace: true });
          setOutcome(null);
          onSaved();
        } else if (setup?.failureReason != null) setOutcome({ kind: "failed", reason: setup.failureReason });
        else if (setup) setOutcome({ kind: "open", nextActionUrl: setup.nextActionUrl ?? null });
        else if (payload) setOutcome({ kind: "failed", reason: payload.userErrors[0]?.message ?? "" });
        else setOutcome({ kind: "unknown" });
      });
    return () => {
      left = true;
    };
    // onSaved is made anew with each drawing; the answer is asked for once an address and try.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client, navigate, setupId, tries]);
  if (setupId === undefined || outcome === null) return null;
  return <Said outcome={outcome} onRetry={() => setTries((count) => count + 1)} />;
}

function Said({ outcome, onRetry }: { outcome: Outcome; onRetry: () => void }) {
  if (outcome.kind === "failed") {
    return (
      <Notice live tone="danger" className="mb-4" title="The card was not saved">
        {outcome.reason}
      </Notice>
    );
  }
  if (outcome.kind === "open" && outcome.nextActionUrl !== null) {
    return (
      <Notice
        live
        tone="caution"
        className="mb-4"
        title="Your bank still wants to hear from you"
        action={
          <Button asChild size="small">
            <a href={outcome.nextActionUrl}>Confirm with your bank</a>
          </Button>
        }
      >
        The card is saved once you have confirmed it.
      </Notice>
    );
  }
  return (
    <Notice
      live
      tone="caution"
      className="mb-4"
      title="We don’t know yet whether the card is saved"
      action={
        <Button size="small" onClick={onRetry}>
          Ask again
        </Button>
      }
    >
      It shows up in the list once Stripe has taken it.
    </Notice>
  );
}
