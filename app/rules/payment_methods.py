"""Cards: when they end, who is told, and which may be taken away."""

from calendar import monthrange
from datetime import date
from enum import StrEnum

from app.rules.errors import PaymentMethodInUse


class CardExpiry(StrEnum):
    """How near a card's end is. EXPIRING: it ends this month or next."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"


class CardUse(StrEnum):
    """What is paid with a card without anybody at hand."""

    AUTO_PURCHASE = "auto_purchase"
    SUBSCRIPTION = "subscription"


def expires_on(month: int, year: int) -> date:
    """The last day on which a card is good: the end of the month printed on it."""
    return date(year, month, monthrange(year, month)[1])


def expiry(last_day: date, today: date) -> CardExpiry:
    """How near a card's end is, by calendar months: in the month before its last one people are told for the first time."""
    months = (last_day.year - today.year) * 12 + last_day.month - today.month
    if months < 0:
        return CardExpiry.EXPIRED
    return CardExpiry.EXPIRING if months <= 1 else CardExpiry.VALID


def card_uses(*, is_default: bool, pays_auto_purchase: bool, has_paid_subscription: bool) -> list[CardUse]:
    """What needs a card. A subscription is paid with the default one."""
    uses = [CardUse.AUTO_PURCHASE] if pays_auto_purchase else []
    if is_default and has_paid_subscription:
        uses.append(CardUse.SUBSCRIPTION)
    return uses


_IN_USE = {
    CardUse.AUTO_PURCHASE: "This card is used by automatic purchases: choose another card there first, or switch them off.",
    CardUse.SUBSCRIPTION: "This card pays the subscription: make another card the default one first.",
}


def check_removal(uses: list[CardUse]) -> None:
    """Refuse to take a card away that something still pays with, naming it. Raises PaymentMethodInUse."""
    if uses:
        raise PaymentMethodInUse(" ".join(_IN_USE[use] for use in uses), path=("id",))


# What can be done about a card that could not be saved, by Stripe's code; anything else gets the last one.
_ADVICE = {
    "setup_intent_authentication_failure": "The confirmation with your bank was not completed. Add the card again, or use another one.",
    "expired_card": "The card has expired. Use another card.",
    "incorrect_cvc": "The security code is wrong. Check it and add the card again.",
    "processing_error": "The bank could not check the card just now. Add it again in a few minutes.",
}
_DEFAULT_ADVICE = "The bank did not let the card be saved. Use another card or ask your bank."


def setup_advice(code: str) -> str:
    """A sentence for whoever wanted to save a card: what is wrong and what to do."""
    return _ADVICE.get(code, _DEFAULT_ADVICE)
