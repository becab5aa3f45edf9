import { useState } from "react";
import { Button } from "@/design/Button";
import { Dialog } from "@/design/Dialog";
import { Notice } from "@/design/Notice";
import type { PaymentMethod } from "./paymentMethodQueries";
import { cardName } from "./words";

interface RemoveDialogProps {
  card: PaymentMethod;
  onClose: () => void;
  /** Why it was refused, or null. */
  onConfirm: () => Promise<string | null>;
}

/** Asks before a card goes for good, and says why it must stay. */
export function RemoveDialog({ card, onClose, onConfirm }: RemoveDialogProps) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const confirm = async () => {
    setBusy(true);
    const why = await onConfirm();
    if (why === null) return; // the dialog is gone with the card
    setBusy(false);
    setRefusal(why);
  };
  return (
    <Dialog
      title={`Remove ${cardName(card)}?`}
      onClose={onClose}
      actions={
        <>
          {/* Another button after a refusal: the focus comes to it, for the one that had it is gone. */}
          <Button key={refusal} autoFocus onClick={onClose}>
            {refusal === null ? "Keep it" : "Close"}
          </Button>
          {refusal === null && (
            <Button look="primary" aria-disabled={busy} onClick={() => !busy && void confirm()}>
              {busy ? "Removing…" : "Remove"}
            </Button>
          )}
        </>
      }
    >
      {refusal === null ? (
        <p>It is removed for good. To pay with it again, it must be added anew. Purchases and receipts stay.</p>
      ) : (
        <Notice live tone="danger" title="This card can’t be removed">
          {refusal}
        </Notice>
      )}
    </Dialog>
  );
}
