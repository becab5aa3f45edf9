"""What a receipt says: numbers, lines and sums as they are printed. The sums are checked against what was sold."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.rules.money import credits_text, money_text
from app.rules.purchase_progress import card_text

LONGEST_NAME = 120  # a person's or a pool's name on paper
MOST_REFUNDS = 12  # lines of their own
MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Sold:
    """A paid purchase. Money in cents of `currency`, rates as shares, moments in UTC."""

    purchase_id: UUID
    paid_at: datetime
    buyer_name: str
    buyer_email: str
    pool_name: str
    tenant_name: str
    credits: Decimal
    bonus_credits: Decimal
    unit_price_cents: int
    base_cents: int
    discount_cents: int
    discount_rate: Decimal
    total_cents: int
    refunded_cents: int  # all that went back
    refunds: tuple[
        tuple[datetime, int], ...
    ]  # of it, the single refunds: when, cents; the rest took a bank in a dispute
    currency: str
    card: str | None
    payment_intent_id: str | None


def receipt_number(purchase_id: UUID, paid_at: datetime) -> str:
    """The number on a receipt: the day of the payment and twelve digits of the purchase's id."""
    return f"R-{paid_at:%Y%m%d}-{purchase_id.hex[:12].upper()}"


def receipt(sold: Sold, seller: str) -> dict[str, Any]:
    """Everything that the receipt prints, as app/services/documents/receipt.typ reads it. Raises ValueError if the lines don't add up."""
    if sold.base_cents - sold.discount_cents != sold.total_cents:
        raise ValueError(f"the lines of purchase {sold.purchase_id} don't add up to its total")
    number = receipt_number(sold.purchase_id, sold.paid_at)
    return {
        "title": f"Receipt {number}",
        "number": number,
        "seller": seller,
        "date": {"year": sold.paid_at.year, "month": sold.paid_at.month, "day": sold.paid_at.day},
        "paid_on": f"{_day(sold.paid_at)}, {sold.paid_at:%H:%M} UTC",
        "billed_to": [
            _short(one) for one in _once(sold.buyer_name, sold.buyer_email, sold.pool_name, sold.tenant_name)
        ],
        "paid_with": _payment(sold),
        "lines": _lines(sold),
        "sums": _sums(sold),
        "note": _note(sold),
    }


def _payment(sold: Sold) -> list[str]:
    reference = [f"Payment {sold.payment_intent_id}"] if sold.payment_intent_id else []
    return [card_text(sold.card), *reference, f"Purchase {sold.purchase_id}"]


def _lines(sold: Sold) -> list[list[str]]:
    """Description, quantity, unit price, amount."""

    def money(cents: int) -> str:
        return money_text(cents, sold.currency)

    lines = [["AI credits", credits_text(sold.credits), money(sold.unit_price_cents), money(sold.base_cents)]]
    if sold.discount_cents:
        rate = credits_text(sold.discount_rate * 100)
        lines.append([f"Volume discount, {rate}%", "", "", f"{MINUS}{money(sold.discount_cents)}"])
    if sold.bonus_credits:
        lines.append(["Bonus credits", credits_text(sold.bonus_credits), "free", money(0)])
    return lines


def _sums(sold: Sold) -> list[list[Any]]:
    """Words, amount, whether it is the one that counts."""
    total = money_text(sold.total_cents, sold.currency)
    if not sold.refunded_cents:
        return [["Total paid", total, True]]
    single, more = sold.refunds[:MOST_REFUNDS], sum(cents for _, cents in sold.refunds[MOST_REFUNDS:])
    taken_by_banks = sold.refunded_cents - sum(cents for _, cents in sold.refunds)
    back = [(f"Refunded on {_day(at)}", cents) for at, cents in single]
    back += [("Further refunds", more)] if more else []
    back += [("Returned in a dispute", taken_by_banks)] if taken_by_banks > 0 else []
    left = money_text(sold.total_cents - sold.refunded_cents, sold.currency)
    return [
        ["Total paid", total, False],
        *([words, f"{MINUS}{money_text(cents, sold.currency)}", False] for words, cents in back),
        ["Paid after refunds", left, True],
    ]


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _note(sold: Sold) -> str:
    quantity = credits_text(sold.credits + sold.bonus_credits)
    return (
        f"{quantity} credits were added to {_short(sold.pool_name)}. "
        f"Purchased and bonus credits never expire. All amounts are in {sold.currency}."
    )


def _once(*names: str) -> list[str]:
    """A personal pool often bears its tenant's name: say it once."""
    return list(dict.fromkeys(names))


def _short(name: str) -> str:
    """A name on one or two lines of paper, whatever was typed as one."""
    plain = " ".join(name.split())
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 1]}…"
