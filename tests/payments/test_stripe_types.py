"""The check of requests against Stripe's types can fail: wrong requests are named, each for its own fault."""

import pytest

from app.embedded.stripe.api import OPERATIONS
from app.embedded.stripe.calls import API_VERSION, Operation
from tests.payments import stripe_types
from tests.payments.stripe_types import VERSION, call_of, faults
from tests.payments.watching import DELIBERATELY_WRONG, faults_of

GOOD = {
    "amount": "9500",
    "currency": "usd",
    "confirm": "true",
    "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
    "metadata[purchase_id]": "1",
    "expand[0]": "latest_charge",
}


def test_a_right_request_passes() -> None:
    assert faults("POST", "/v1/payment_intents", GOOD.items()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"foo": "1"}, "foo: unknown"),
        ({"payment_method_types[0]": "card"}, "payment_method_types: unknown"),
        ({"automatic_payment_methods[enable]": "true"}, "automatic_payment_methods[enable]: unknown"),
        ({"api_key": "sk_test_1"}, "api_key: unknown"),
        ({"amount": "950.00"}, "amount: '950.00' is no int"),
        ({"amount": ""}, "amount: '' is no int"),
        ({"confirm": "True"}, "confirm: 'True' is no bool"),
        ({"automatic_payment_methods[allow_redirects]": "rarely"}, "'rarely' is none of 'always', 'never'"),
        ({"setup_future_usage": "someday"}, "setup_future_usage: 'someday' is none of"),
        ({"expand": "latest_charge"}, "expand: a list is wanted"),
        ({"expand[1]": "a", "expand[7]": "b"}, "expand: a list is wanted"),
        ({"metadata": "x"}, "metadata: an object is wanted"),
        ({"metadata[a][b]": "x"}, "metadata[a]: {'b': 'x'} is no str"),
        ({"description[text]": "x"}, "description: {'text': 'x'} is no str"),
    ],
)
def test_a_wrong_parameter_is_named(change: dict[str, str], named: str) -> None:
    plain = {name: value for name, value in GOOD.items() if not any(name.startswith(f"{new}[") for new in change)}
    found = faults("POST", "/v1/payment_intents", (plain | change).items())
    assert len(found) == 1
    assert named in found[0]


@pytest.mark.parametrize("missing", ["amount", "currency", "automatic_payment_methods[enabled]"])
def test_a_missing_parameter_is_named(missing: str) -> None:
    sent = {name: value for name, value in GOOD.items() if name != missing}
    assert faults("POST", "/v1/payment_intents", sent.items()) == [f"POST /v1/payment_intents: {missing}: missing"]


def test_a_call_that_stripe_does_not_have_is_named() -> None:
    assert faults("POST", "/v1/payment_intent", []) == ["POST /v1/payment_intent: Stripe publishes no such call"]
    assert faults("DELETE", "/v1/payment_intents/pi_1", []) != []


def test_a_literal_path_goes_before_a_placeholder() -> None:
    assert faults("GET", "/v1/payment_intents/search", []) == ["GET /v1/payment_intents/search: query: missing"]
    assert faults("GET", "/v1/payment_intents/pi_1", []) == []


def test_another_version_of_the_api_is_named() -> None:
    assert stripe_types.wrong_version({"stripe-version": VERSION}) == []
    assert stripe_types.wrong_version({"stripe-version": "2020-08-27"}) != []
    assert stripe_types.wrong_version({"user-agent": "Stripe/v1 PythonBindings/16.1.0"}) != []
    assert stripe_types.wrong_version({"user-agent": "Mozilla/5.0"}) == []


def test_only_what_is_wrong_on_purpose_is_let_through() -> None:
    sent = {"method": "POST", "path": "/v1/payment_intents", "items": [["foo", "1"]]}
    headers = {"stripe-version": VERSION}
    assert len(faults_of([sent | {"headers": headers}])) == 3  # unknown foo, no amount, no currency
    assert faults_of([sent | {"headers": headers | {DELIBERATELY_WRONG.lower(): "yes"}}]) == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_what_the_sandbox_takes_is_what_stripe_publishes(operation: Operation) -> None:
    call = call_of(operation.method, operation.path.replace("{}", "x"))
    assert call is not None
    parameters = call.parameters()
    wanted = stripe_types.fields(parameters) if parameters else {}
    # What a page names with the publishable key; the library has the secret one.
    of_the_page = {"client_secret"} if operation.publishable else set()
    assert {*operation.parameters.required, *operation.parameters.optional} - of_the_page <= set(wanted)
    required = {name for name, field in wanted.items() if not stripe_types.may_be_absent(field)}
    assert required <= set(operation.parameters.required)


def test_the_sandbox_speaks_the_version_of_the_types() -> None:
    assert API_VERSION == VERSION
