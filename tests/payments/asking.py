"""Requests to the sandbox by hand, past the gateway: forms as Stripe takes them."""

import time
from typing import Any

import httpx

from tests.payments.charging import RETURN_URL
from tests.payments.sandbox import Sandbox

PAY = {
    "amount": "9500",
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "confirm": "true",
    "return_url": RETURN_URL,
    "automatic_payment_methods[enabled]": "true",
}
SAVE = {
    "payment_method": "pm_card_visa",
    "confirm": "true",
    "usage": "off_session",
    "return_url": RETURN_URL,
    "automatic_payment_methods[enabled]": "true",
    "allowed_payment_method_types[0]": "card",
}
CARD = {
    "type": "card",
    "card[number]": "4242424242424242",
    "card[exp_month]": "12",
    "card[exp_year]": str(time.gmtime().tm_year + 1),
    "card[cvc]": "123",
}


async def post(sandbox: Sandbox, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
    """The answer, whatever it is."""
    return await sandbox.raw.post(path, data=form, headers=headers)


async def new(sandbox: Sandbox, path: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """What a request made that must be taken."""
    answer = await post(sandbox, path, form or {})
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created
