import { useState } from "react";
import { Badge } from "@/design/Badge";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Notice } from "@/design/Notice";
import { moneyText } from "@/format/money";
import { useDates } from "@/format/time";
import { RequestDialog } from "./RequestDialog";
import type { Dispute, MoneyBack, Refund } from "./refundQueries";
import { disputeWords, refundWords } from "./words";

/** What went back of a purchase, what was asked for, what a bank has disputed; and the way to ask. Nothing where none of it is. */
export function RefundRequest({ purchase }: { purchase: MoneyBack }) {
  const { refunds, disputes, viewerCanRequestRefund } = purchase;
  const [asking, setAsking] = useState(false);
  if (refunds.length === 0 && disputes.length === 0 && !viewerCanRequestRefund) return null;
  return (
    <Card title="Refunds">
      <div className="grid gap-4 text-sm">
        {disputes.map((dispute) => (
          <DisputeNotice key={dispute.id} dispute={dispute} />
        ))}
        {refunds.length > 0 && (
          <ul className="grid gap-4">
            {refunds.map((refund) => (
              <RefundRow key={refund.id} refund={refund} />
            ))}
          </ul>
        )}
        {viewerCanRequestRefund && (
          <div>
            <Button size="small" onClick={() => setAsking(true)}>
              Request a refund
            </Button>
          </div>
        )}
      </div>
      {asking && <RequestDialog purchase={purchase} onClose={() => setAsking(false)} />}
    </Card>
  );
}

function RefundRow({ refund: { status, amount, reason, explanation, createdAt } }: { refund: Refund }) {
  const { moment } = useDates();
  const { label, tone } = refundWords[status];
  return (
    <li>
      <div className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1">
        <span className="font-medium tabular-nums">{moneyText(amount)}</span>
        <Badge tone={tone}>{label}</Badge>
      </div>
      <p className="mt-1 text-ink-soft">{explanation}</p>
      <p className="mt-1 text-xs break-words text-ink-faint">
        <time dateTime={createdAt}>{moment(createdAt)}</time>
        {` · ${reason}`}
      </p>
    </li>
  );
}

function DisputeNotice({ dispute: { state, reason, amount, explanation } }: { dispute: Dispute }) {
  const { title, tone } = disputeWords[state];
  return (
    <Notice tone={tone} title={title}>
      <p>{`${moneyText(amount)}: ${reason}.`}</p>
      <p className="mt-1">{explanation}</p>
    </Notice>
  );
}
