import { Check, Clock, RotateCcw, ShieldCheck, X } from "lucide-react";
import { classNames } from "@/design/classNames";
import { creditsPhrase } from "@/format/decimal";
import { moneyText } from "@/format/money";
import type { PurchaseStatus } from "@/gql/graphql";
import type { Purchase } from "./purchaseQueries";

const good = "bg-accent-wash text-accent";
const waiting = "bg-caution-wash text-caution";

const icons: Record<PurchaseStatus, { icon: typeof Check; look: string }> = {
  PENDING: { icon: Clock, look: waiting },
  PROCESSING: { icon: Clock, look: waiting },
  REQUIRES_ACTION: { icon: ShieldCheck, look: waiting },
  COMPLETED: { icon: Check, look: good },
  FAILED: { icon: X, look: "bg-danger-wash text-danger" },
  REFUNDED: { icon: RotateCcw, look: "bg-sunken text-ink-soft" },
  PARTIALLY_REFUNDED: { icon: RotateCcw, look: "bg-sunken text-ink-soft" },
};

export function StatusIcon({ status }: { status: PurchaseStatus }) {
  const { icon: Icon, look } = icons[status];
  return (
    <span aria-hidden className={classNames("mx-auto grid size-12 place-items-center rounded-full", look)}>
      <Icon className="size-6" />
    </span>
  );
}

/** What a purchase has come to, in a line and a sentence. */
export function headline(purchase: Purchase, pool: string): { title: string; text: string } {
  const credits = creditsPhrase(purchase.totalCredits);
  const one = credits === "1 credit";
  const total = moneyText(purchase.total);
  switch (purchase.status) {
    case "PENDING":
    case "PROCESSING":
      return {
        title: "Your payment is on its way",
        text: `${credits} will be there as soon as Stripe confirms it. You may leave this page.`,
      };
    case "REQUIRES_ACTION":
      return {
        title: "Your bank wants to hear from you",
        text: `It asks you to confirm ${total}. Nothing is charged before that.`,
      };
    case "COMPLETED":
      return {
        title: `${credits} ${one ? "is" : "are"} yours`,
        text: `Paid ${total}. ${one ? "It is" : "They are"} in ${pool} now and never ${one ? "expires" : "expire"}.`,
      };
    case "FAILED":
      return {
        title: "The payment didn’t go through",
        text: `${purchase.failureReason ?? "The card was declined."} Nothing was charged.`,
      };
    case "REFUNDED":
      return {
        title: "This purchase was refunded",
        text: `${total} went back to your card; the credits were taken back.`,
      };
    case "PARTIALLY_REFUNDED":
      return { title: "Part of this purchase was refunded", text: "The credits of that part were taken back." };
  }
}
