import { Badge } from "@/design/Badge";
import type { PaymentMethod } from "./paymentMethodQueries";
import { cardUses } from "./words";

/** What is to be known of a card at a glance. */
export function CardBadges({ card }: { card: PaymentMethod }) {
  return (
    <>
      {card.isDefault && <Badge tone="accent">Default</Badge>}
      {card.expiry === "EXPIRING" && <Badge tone="caution">Expires soon</Badge>}
      {card.expiry === "EXPIRED" && <Badge tone="danger">Expired</Badge>}
      {card.usedBy.map((use) => (
        <Badge key={use}>{cardUses[use]}</Badge>
      ))}
    </>
  );
}
