"""Stripe's test cards: by number for the page, by name (`pm_card_visa`) for programs. Real numbers are refused."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Decline:
    """Why the bank says no."""

    code: str
    decline_code: str | None
    message: str


@dataclass(frozen=True)
class TestCard:
    """How a card behaves. `authentication`: the bank asks for 3-D Secure always, or until it was set up for later.

    `declined_when`: most cards that are declined can't be saved either; some decline only once they are charged.
    """

    __test__ = False  # no test class, whatever pytest thinks of the name

    number: str
    brand: str
    names: tuple[str, ...]
    decline: Decline | None = None
    authentication: Literal["none", "always", "until_set_up"] = "none"
    processing: bool = False
    funding: str = "credit"
    refund: Literal["succeeds", "pends", "fails"] = "succeeds"  # fails: after it has succeeded
    dispute: Literal["fraudulent", "product_not_received", "inquiry"] | None = None  # opened right after the payment
    declined_when: Literal["saved_or_charged", "charged"] = "saved_or_charged"

    @property
    def saving_declined(self) -> Decline | None:
        """Why the bank will not let the card be saved."""
        return self.decline if self.declined_when == "saved_or_charged" else None


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
PROCESSING_ERROR = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
INCORRECT_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.")
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.")
FRAUDULENT = Decline("card_declined", "fraudulent", "Your card was declined.")

CARDS = (
    TestCard("4242424242424242", "visa", ("pm_card_visa", "pm_card_us")),
    TestCard("4000056655665556", "visa", ("pm_card_visa_debit",), funding="debit"),
    TestCard("5555555555554444", "mastercard", ("pm_card_mastercard",)),
    TestCard("378282246310005", "amex", ("pm_card_amex",)),
    TestCard("6011111111111117", "discover", ("pm_card_discover",)),
    TestCard("3056930009020004", "diners", ("pm_card_diners",)),
    TestCard("3566002020360505", "jcb", ("pm_card_jcb",)),
    TestCard("6200000000000005", "unionpay", ("pm_card_unionpay",)),
    TestCard("4000000000000002", "visa", ("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"), GENERIC),
    TestCard(
        "4000000000009995",
        "visa",
        ("pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"),
        INSUFFICIENT,
    ),
    TestCard("4000000000009987", "visa", ("pm_card_visa_chargeDeclinedLostCard",), LOST),
    TestCard("4000000000009979", "visa", ("pm_card_visa_chargeDeclinedStolenCard",), STOLEN),
    TestCard("4000000000000069", "visa", ("pm_card_chargeDeclinedExpiredCard",), EXPIRED),
    TestCard("4000000000000127", "visa", ("pm_card_chargeDeclinedIncorrectCvc",), INCORRECT_CVC),
    TestCard("4000000000000119", "visa", ("pm_card_chargeDeclinedProcessingError",), PROCESSING_ERROR),
    TestCard("4000000000006975", "visa", ("pm_card_visa_chargeDeclinedVelocityLimitExceeded",), VELOCITY),
    TestCard("4000000000000341", "visa", ("pm_card_chargeCustomerFail",), GENERIC, declined_when="charged"),
    TestCard("4100000000000019", "visa", ("pm_card_radarBlock",), FRAUDULENT, declined_when="charged"),
    TestCard("4000002760003184", "visa", ("pm_card_authenticationRequired",), authentication="always"),
    TestCard("4000000000003220", "visa", ("pm_card_threeDSecure2Required",), authentication="always"),
    TestCard("4000002500003155", "visa", ("pm_card_authenticationRequiredOnSetup",), authentication="until_set_up"),
    TestCard("4000000000003055", "visa", ("pm_card_threeDSecureOptional",)),
    TestCard(
        "4000008400001629",
        "visa",
        ("pm_card_threeDSecureRequiredChargeDeclined",),
        GENERIC,
        authentication="always",
    ),
    TestCard(
        "4000008260003178",
        "visa",
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",),
        INSUFFICIENT,
        authentication="always",
    ),
    TestCard("4000000000007726", "visa", ("pm_card_pendingRefund",), refund="pends"),
    TestCard("4000000000005126", "visa", ("pm_card_refundFail",), refund="fails"),
    TestCard("4000000000000259", "visa", ("pm_card_createDispute",), dispute="fraudulent"),
    TestCard("4000000000002685", "visa", ("pm_card_createDisputeProductNotReceived",), dispute="product_not_received"),
    TestCard("4000000000001976", "visa", ("pm_card_createDisputeInquiry",), dispute="inquiry"),
    # Stripe has no card that stays in processing (bank debits do): this one is the sandbox's own.
    TestCard("4000000000070005", "visa", ("pm_card_sandboxProcessing",), processing=True),
)

BY_NUMBER = {card.number: card for card in CARDS}
BY_NAME = {name: card for card in CARDS for name in card.names}


def luhn(number: str) -> bool:
    """Whether the check digit of a card number is right."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
