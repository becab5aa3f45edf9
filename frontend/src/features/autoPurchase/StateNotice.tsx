import { Link } from "@tanstack/react-router";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { useDates } from "@/format/time";
import type { AutoPurchase } from "./autoPurchaseQueries";

/** Why nothing is bought just now and what to do next; nothing where all is well. */
export function StateNotice({ plan }: { plan: AutoPurchase }) {
  const { moment } = useDates();
  switch (plan.state) {
    case "PAUSED":
      return (
        <Notice
          tone="danger"
          className="mb-5"
          title="Paused until you act"
          action={
            <Button asChild size="small">
              <Link to="/buy">Buy credits</Link>
            </Button>
          }
        >
          {plan.advice}
        </Notice>
      );
    case "OFF":
      return plan.stop == null ? null : (
        <Notice tone="danger" className="mb-5" title="Switched off for you">
          {plan.advice}
        </Notice>
      );
    case "WAITING":
      return (
        <Notice tone="caution" className="mb-5" title="The last attempt was declined">
          {plan.retryAfter != null && <>We try again {moment(plan.retryAfter)}. </>}Choose another card to try at once.
        </Notice>
      );
    case "CAP_REACHED":
      return (
        <Notice tone="caution" className="mb-5" title="This month’s cap is reached">
          Nothing more is bought by itself before {moment(plan.monthEndsAt)}, unless you raise the cap.
        </Notice>
      );
    case "BUYING":
      return (
        <Notice className="mb-5" title="A purchase is under way">
          The credits will be there as soon as Stripe confirms the payment.
        </Notice>
      );
    case "ON":
      return null;
  }
}
