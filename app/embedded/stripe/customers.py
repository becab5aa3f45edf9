"""Customers."""

from app.embedded.stripe.calls import LIST_PARAMETERS, Call, Operation, expanded, get, listed
from app.embedded.stripe.parameters import Parameters, clearable_text, metadata, text, texts
from app.embedded.stripe.refusals import Record, Refusal, missing
from app.embedded.stripe.state import new_id

FIELDS = {"email": clearable_text, "name": clearable_text, "description": clearable_text, "phone": clearable_text}


def create(call: Call) -> Record:
    """A new customer."""
    given = call.parameters
    _check_email(given.get("email"))
    customer: Record = {
        "id": new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.state.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": given.get("description"),
        "email": given.get("email"),
        "invoice_prefix": new_id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "name": given.get("name"),
        "next_invoice_sequence": 1,
        "phone": given.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    call.state.add(customer)
    call.emit("customer.created", customer)
    return expanded(call, customer)


def retrieve(call: Call) -> Record:
    """One customer; of a deleted one only that it was."""
    return expanded(call, get(call, "customer", call.path_ids[0], "id"))


def update(call: Call) -> Record:
    """Change what was given; an empty metadata value takes its key away."""
    customer = get(call, "customer", call.path_ids[0], "id")
    if customer.get("deleted"):
        raise missing("customer", customer["id"], "id", status=404)
    given = dict(call.parameters)
    given.pop("expand", None)
    _check_email(given.get("email"))
    if "metadata" in given:
        merged = customer["metadata"] | given["metadata"]
        given["metadata"] = {key: value for key, value in merged.items() if value}
    _change_invoice_settings(call, customer, given.pop("invoice_settings", {}))
    customer |= given
    call.state.save(customer)
    call.emit("customer.updated", customer)
    return expanded(call, customer)


def delete(call: Call) -> Record:
    """Delete for good; its payment methods are detached."""
    customer = get(call, "customer", call.path_ids[0], "id")
    if customer.get("deleted"):
        raise missing("customer", customer["id"], "id", status=404)
    call.emit("customer.deleted", customer)
    for method in call.state.newest("payment_method", customer["id"]):
        call.state.save(method | {"customer": None})
        call.state.save_private(method["id"], used_up=True)
    return call.state.save({"id": customer["id"], "object": "customer", "deleted": True})


def list_customers(call: Call) -> Record:
    """The customers, the newest first."""
    email = call.parameters.get("email")
    found = [
        customer
        for customer in call.state.newest("customer")
        if not customer.get("deleted") and (email is None or customer["email"] == email)
    ]
    return listed(call, found, "/v1/customers")


def existing(call: Call, customer_id: str, *, status: int = 400) -> Record:
    """The customer that a parameter (or, with 404, the path) names; a deleted one can't be used."""
    customer = call.state.find("customer", customer_id)
    if customer is None or customer.get("deleted"):
        raise missing("customer", customer_id, "customer", status=status)
    return customer


def lose_default(call: Call, customer_id: str, payment_method_id: str) -> None:
    """A card that is taken away is nobody's default any more."""
    customer = call.state.find("customer", customer_id)
    if customer is None or customer["invoice_settings"]["default_payment_method"] != payment_method_id:
        return
    customer["invoice_settings"]["default_payment_method"] = None
    call.state.save(customer)
    call.emit("customer.updated", customer)


def _change_invoice_settings(call: Call, customer: Record, given: Record) -> None:
    """Stripe takes as the default only what is attached to this customer."""
    name = given.get("default_payment_method")
    if name is not None:
        method = call.state.find("payment_method", name)
        if method is None:
            raise missing("PaymentMethod", name, "invoice_settings[default_payment_method]")
        if method["customer"] != customer["id"]:
            raise Refusal(
                f"The customer does not have a payment method with the ID {name}. The payment method must be attached to "
                "the customer.",
                code="resource_missing",
                param="invoice_settings[default_payment_method]",
            )
    customer["invoice_settings"] |= given


def _check_email(email: str | None) -> None:
    if email is not None and ("@" not in email.strip("@") or " " in email):
        raise Refusal(f"Invalid email address: {email}", code="email_invalid", param="email")


_CREATE = Parameters(optional=FIELDS | {"metadata": metadata, "expand": texts})
_INVOICE_SETTINGS = Parameters(optional={"default_payment_method": clearable_text})
_UPDATE = Parameters(optional=dict(_CREATE.optional) | {"invoice_settings": _INVOICE_SETTINGS})
_READ = Parameters(optional={"expand": texts})

OPERATIONS = (
    Operation("POST", "/v1/customers", create, _CREATE),
    Operation("GET", "/v1/customers", list_customers, Parameters(optional=LIST_PARAMETERS | {"email": text})),
    Operation("GET", "/v1/customers/{}", retrieve, _READ),
    Operation("POST", "/v1/customers/{}", update, _UPDATE),
    Operation("DELETE", "/v1/customers/{}", delete),
)
