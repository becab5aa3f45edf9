"""Payment methods: cards by test number or test name. Of a number only brand, last four digits and expiry are kept."""

import hashlib
from datetime import UTC, datetime

from app.embedded.stripe import customers
from app.embedded.stripe.calls import (
    ALLOW_REDISPLAY,
    LIST_PARAMETERS,
    Call,
    Operation,
    billing_details,
    expanded,
    get,
    listed,
)
from app.embedded.stripe.cards import BY_NAME, BY_NUMBER, TestCard, luhn
from app.embedded.stripe.parameters import Parameters, choice, clearable_text, integer, metadata, text, texts
from app.embedded.stripe.refusals import Record, Refusal, missing
from app.embedded.stripe.state import new_id

USED_UP = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a "
    "PaymentMethod multiple times, you must attach it to a Customer first."
)


def create(call: Call) -> Record:
    """A card from a test number, as the page sends it with the publishable key."""
    given = call.parameters
    if "card" not in given:
        raise Refusal("Missing required param: card.", code="parameter_missing", param="card")
    details = given["card"]
    card = _test_card(details["number"].replace(" ", ""))
    _check_expiry(call, details["exp_month"], details["exp_year"])
    _check_cvc(card, details.get("cvc"))
    method = _keep(call, card, exp_month=details["exp_month"], exp_year=details["exp_year"])
    method["billing_details"] = billing_details(given.get("billing_details"))
    method["allow_redisplay"] = given.get("allow_redisplay", "unspecified")
    method["metadata"] = given.get("metadata", {})
    return expanded(call, call.state.save(method))


def resolve(call: Call, name: str, param: str, *, status: int = 400) -> Record:
    """The payment method of an id; a test name such as pm_card_visa gives a new one each time."""
    if name in BY_NAME:
        next_year = datetime.fromtimestamp(call.state.now(), UTC).year + 1
        return _keep(call, BY_NAME[name], exp_month=12, exp_year=next_year)
    found = call.state.find("payment_method", name)
    if found is None:
        raise missing("PaymentMethod", name, param, status=status)
    return found


def usable(call: Call, name: str, customer_id: str | None, intent: str = "PaymentIntent") -> Record:
    """The payment method for an intent of this customer: nobody else's, and none that was used up."""
    method = resolve(call, name, "payment_method")
    owner = method["customer"]
    if owner is not None and customer_id is None:
        raise Refusal(
            f"The `payment_method` parameter supplied {method['id']} belongs to the Customer {owner}. "
            f"Please include the Customer in the `customer` parameter on the {intent}.",
            param="payment_method",
        )
    if owner is not None and owner != customer_id:
        raise Refusal(
            f"The customer does not have a payment method with the ID {method['id']}. "
            "The payment method must be attached to the customer.",
            param="payment_method",
        )
    if call.state.private(method["id"]).get("used_up"):
        raise Refusal(USED_UP, param="payment_method")
    return method


def behaviour(call: Call, method: Record) -> TestCard:
    """How the card behind a payment method behaves."""
    return BY_NAME[call.state.private(method["id"])["card"]]


def attach_to(call: Call, method: Record, customer_id: str) -> Record:
    """Make a payment method a customer's own."""
    method["customer"] = customer_id
    call.state.save(method)
    call.emit("payment_method.attached", method)
    return method


def attach(call: Call) -> Record:
    """Attach by request: to one customer once."""
    method = resolve(call, call.path_ids[0], "payment_method", status=404)
    customer = customers.existing(call, call.parameters["customer"])
    if method["customer"] is not None:
        raise Refusal("The payment method you provided has already been attached to a customer.")
    if call.state.private(method["id"]).get("used_up"):
        raise Refusal(USED_UP, param="payment_method")
    decline = behaviour(call, method).saving_declined
    if decline is not None:
        raise Refusal(
            decline.message, status=402, kind="card_error", code=decline.code, decline_code=decline.decline_code
        )
    return expanded(call, attach_to(call, method, customer["id"]))


def detach(call: Call) -> Record:
    """Take it away from its customer; it can't be used again."""
    method = get(call, "payment_method", call.path_ids[0], "payment_method", "PaymentMethod")
    if method["customer"] is None:
        raise Refusal(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    owner = method["customer"]
    method["customer"] = None
    call.state.save(method)
    call.state.save_private(method["id"], used_up=True)
    call.emit("payment_method.detached", method)
    customers.lose_default(call, owner, method["id"])
    return expanded(call, method)


def retrieve(call: Call) -> Record:
    """One payment method."""
    return expanded(call, resolve(call, call.path_ids[0], "payment_method", status=404))


def list_of_customer(call: Call) -> Record:
    """The customer's payment methods, the newest first."""
    customer = customers.existing(call, call.path_ids[0], status=404)
    wanted = call.parameters.get("type")
    found = [one for one in call.state.newest("payment_method", customer["id"]) if wanted in {None, one["type"]}]
    return listed(call, found, f"/v1/customers/{customer['id']}/payment_methods")


def _keep(call: Call, card: TestCard, *, exp_month: int, exp_year: int) -> Record:
    # The fingerprint comes from the test card's name: the number itself reaches no file, not even hashed.
    fingerprint = hashlib.sha256(card.names[0].encode()).hexdigest()[:16]
    method: Record = {
        "id": new_id("pm_1", 23),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(),
        "card": {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": fingerprint,
            "funding": card.funding,
            "generated_from": None,
            "last4": card.number[-4:],
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": call.state.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }
    return call.state.add(method, private={"card": card.names[0]})


def _test_card(number: str) -> TestCard:
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19 or not luhn(number):
        raise _card_error("Your card number is incorrect.", "incorrect_number", "number")
    card = BY_NUMBER.get(number)
    if card is None:
        raise Refusal(
            "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test "
            "cards, visit: https://stripe.com/docs/testing.",
            status=402,
            kind="card_error",
            code="card_declined",
            decline_code="test_mode_live_card",
            param="number",
        )
    return card


def _check_expiry(call: Call, month: int, year: int) -> None:
    today = datetime.fromtimestamp(call.state.now(), UTC)
    if not 1 <= month <= 12:
        raise _card_error("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")
    if not today.year <= year <= today.year + 50:
        raise _card_error("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year")
    if (year, month) < (today.year, today.month):
        raise _card_error("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")


def _check_cvc(card: TestCard, cvc: str | None) -> None:
    digits = 4 if card.brand == "amex" else 3
    if cvc is not None and not (cvc.isascii() and cvc.isdigit() and len(cvc) in {3, digits}):
        raise _card_error("Your card's security code is invalid.", "invalid_cvc", "cvc")


def _card_error(message: str, code: str, param: str) -> Refusal:
    return Refusal(message, status=402, kind="card_error", code=code, param=param)


_ADDRESS = Parameters(
    optional=dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), clearable_text)
)
_CREATE = Parameters(
    required={"type": choice("card")},
    optional={
        "card": Parameters(
            required={"number": text, "exp_month": integer, "exp_year": integer}, optional={"cvc": text}
        ),
        "billing_details": Parameters(
            optional={"address": _ADDRESS, "email": clearable_text, "name": clearable_text, "phone": clearable_text}
        ),
        "allow_redisplay": ALLOW_REDISPLAY,
        "metadata": metadata,
        "expand": texts,
    },
)
_EXPAND = {"expand": texts}
_LIST = Parameters(optional=LIST_PARAMETERS | {"type": text})

OPERATIONS = (
    Operation("POST", "/v1/payment_methods", create, _CREATE, publishable=True),
    Operation("GET", "/v1/payment_methods/{}", retrieve, Parameters(optional=_EXPAND)),
    Operation("POST", "/v1/payment_methods/{}/attach", attach, Parameters({"customer": text}, _EXPAND)),
    Operation("POST", "/v1/payment_methods/{}/detach", detach, Parameters(optional=_EXPAND)),
    Operation("GET", "/v1/customers/{}/payment_methods", list_of_customer, _LIST),
)
