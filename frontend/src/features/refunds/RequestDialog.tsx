import { useId, useState } from "react";
import { useMutation } from "urql";
import { Button } from "@/design/Button";
import { classNames } from "@/design/classNames";
import { Dialog } from "@/design/Dialog";
import { Notice } from "@/design/Notice";
import { moneyText } from "@/format/money";
import { longestReason, RequestRefundDocument, type MoneyBack } from "./refundQueries";

interface RequestDialogProps {
  purchase: MoneyBack;
  onClose: () => void;
}

/** Asks why, and sends the request once, however often it is sent. */
export function RequestDialog({ purchase: { id, refundable }, onClose }: RequestDialogProps) {
  const [reason, setReason] = useState("");
  const [missing, setMissing] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const [idempotencyKey, setKey] = useState(() => crypto.randomUUID());
  const [{ fetching }, request] = useMutation(RequestRefundDocument);
  const send = async () => {
    if (reason.trim() === "") {
      setMissing(true);
      return;
    }
    const { data, error } = await request({ purchaseId: id, reason: reason.trim(), idempotencyKey });
    const refused = data?.purchaseRefundRequest.userErrors[0]?.message;
    if (error === undefined && refused === undefined) {
      onClose();
      return;
    }
    setRefusal(refused ?? "The request may not have arrived. Send it again: it counts once.");
  };
  return (
    <Dialog
      title="Request a refund"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" aria-disabled={fetching} onClick={() => !fetching && void send()}>
            {fetching ? "Sending…" : "Send the request"}
          </Button>
        </>
      }
    >
      <p>
        {`You ask for ${moneyText(refundable)} back. Somebody decides on it and you get an e-mail. `}
        If it is granted, the credits of this purchase leave the pool; what is spent of them is owed.
      </p>
      <Reason
        value={reason}
        missing={missing}
        onChange={(text) => {
          setReason(text);
          setMissing(false);
          // Another text is another request.
          setKey(crypto.randomUUID());
        }}
      />
      {refusal !== null && (
        <Notice live tone="danger" title="The request was not taken" className="mt-4">
          {refusal}
        </Notice>
      )}
    </Dialog>
  );
}

function Reason({ value, missing, onChange }: { value: string; missing: boolean; onChange: (text: string) => void }) {
  const inputId = useId();
  const noteId = `${inputId}-note`;
  return (
    <div className="mt-4">
      <label htmlFor={inputId} className="mb-1.5 block text-xs font-medium text-ink-soft">
        Why?
      </label>
      <textarea
        id={inputId}
        autoFocus
        rows={4}
        maxLength={longestReason}
        value={value}
        aria-invalid={missing}
        aria-describedby={noteId}
        onChange={(event) => onChange(event.target.value)}
        className={classNames(
          "block w-full resize-y rounded-lg border bg-surface px-3 py-2 text-base text-ink shadow-card",
          "focus-visible:outline-2 focus-visible:outline-offset-[-1px] focus-visible:outline-accent",
          missing ? "border-danger" : "border-line-strong/70",
        )}
      />
      <p
        id={noteId}
        role={missing ? "alert" : undefined}
        className={classNames("mt-1.5 text-xs", missing ? "text-danger" : "text-ink-faint")}
      >
        {missing ? "Say in a few words why." : `At most ${String(longestReason)} characters.`}
      </p>
    </div>
  );
}
