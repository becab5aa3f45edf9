import { CreditCard } from "lucide-react";
import { Badge } from "@/design/Badge";
import { Button } from "@/design/Button";
import { CardBadges } from "./CardBadges";
import type { PaymentMethod } from "./paymentMethodQueries";
import { cardName, cardUses, expiryText } from "./words";

interface CardRowProps {
  card: PaymentMethod;
  canChange: boolean;
  busy: boolean;
  onMakeDefault: () => void;
  onRemove: () => void;
}

export function CardRow({ card, canChange, busy, onMakeDefault, onRemove }: CardRowProps) {
  const name = cardName(card);
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 py-4 first:pt-0 last:pb-0">
      <span aria-hidden className="grid size-10 shrink-0 place-items-center rounded-lg bg-sunken text-ink-soft">
        <CreditCard className="size-5" />
      </span>
      <div className="min-w-0 flex-[1_1_14rem]">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm">
          <span className="font-medium">{name}</span>
          <CardBadges card={card} />
          {card.usedBy.map((use) => (
            <Badge key={use}>{cardUses[use]}</Badge>
          ))}
        </p>
        <p className="mt-0.5 text-xs text-ink-faint">
          {card.expiry === "EXPIRED" ? "Expired" : "Expires"} {expiryText(card.expiresOn)}
        </p>
      </div>
      {canChange && (
        <div className="flex gap-2 max-sm:ml-14">
          {!card.isDefault && card.expiry !== "EXPIRED" && (
            <Button size="small" disabled={busy} onClick={onMakeDefault}>
              Make default <span className="sr-only">{name}</span>
            </Button>
          )}
          <Button size="small" look="quiet" disabled={busy} onClick={onRemove}>
            Remove <span className="sr-only">{name}</span>
          </Button>
        </div>
      )}
    </li>
  );
}
