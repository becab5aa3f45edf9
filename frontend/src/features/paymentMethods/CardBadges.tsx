import { Badge } from "@/design/Badge";
import type { PaymentMethod } from "./paymentMethodQueries";

/** What is to be known of a card at a glance, wherever one is chosen. */
export function CardBadges({ card }: { card: PaymentMethod }) {
  return (
    <>
      {card.isDefault && <Badge tone="accent">Default</Badge>}
      {card.expiry === "EXPIRING" && <Badge tone="caution">Expires soon</Badge>}
      {card.expiry === "EXPIRED" && <Badge tone="danger">Expired</Badge>}
    </>
  );
}
