import { Check, Clock, RotateCcw, ShieldCheck, X } from "lucide-react";
import { Badge, type Tone } from "@/design/Badge";
import { classNames } from "@/design/classNames";
import type { PurchaseStatus } from "@/gql/graphql";

const good = "bg-accent-wash text-accent";
const waiting = "bg-caution-wash text-caution";
const back = "bg-sunken text-ink-soft";

const statuses: Record<PurchaseStatus, { label: string; tone: Tone; icon: typeof Check; look: string }> = {
  PENDING: { label: "Started", tone: "caution", icon: Clock, look: waiting },
  PROCESSING: { label: "Processing", tone: "caution", icon: Clock, look: waiting },
  REQUIRES_ACTION: { label: "Waiting for you", tone: "caution", icon: ShieldCheck, look: waiting },
  COMPLETED: { label: "Paid", tone: "accent", icon: Check, look: good },
  FAILED: { label: "Failed", tone: "danger", icon: X, look: "bg-danger-wash text-danger" },
  REFUNDED: { label: "Refunded", tone: "neutral", icon: RotateCcw, look: back },
  PARTIALLY_REFUNDED: { label: "Partly refunded", tone: "neutral", icon: RotateCcw, look: back },
};

export function StatusIcon({ status }: { status: PurchaseStatus }) {
  const { icon: Icon, look } = statuses[status];
  return (
    <span aria-hidden className={classNames("mx-auto grid size-12 place-items-center rounded-full", look)}>
      <Icon className="size-6" />
    </span>
  );
}

export function StatusBadge({ status }: { status: PurchaseStatus }) {
  const { label, tone } = statuses[status];
  return <Badge tone={tone}>{label}</Badge>;
}
