"""What Stripe has, listed through the gateway: every page, each payment as it stands."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.payments import connection
from app.payments.gateway import Gateway
from tests.payments.charging import charge
from tests.payments.sandbox import Sandbox


async def test_payments_of_a_time_are_listed_page_by_page(
    gateway: Gateway, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE", 2)
    start, name = datetime.now(UTC) - timedelta(seconds=2), str(uuid4())
    cards = (
        "pm_card_visa",
        "pm_card_visa",
        "pm_card_authenticationRequired",
        "pm_card_visa_chargeDeclined",
        "pm_card_visa",
    )
    for card in cards:
        await charge(gateway, payment_method_id=card, metadata={"purchase_id": name})
    end = datetime.now(UTC) + timedelta(seconds=2)
    listed = [one for one in await gateway.payments_between(start, end) if one.metadata.get("purchase_id") == name]
    assert [(one.status, one.paid) for one in reversed(listed)] == [
        ("succeeded", True),
        ("succeeded", True),
        ("requires_action", False),
        ("requires_payment_method", False),
        ("succeeded", True),
    ]
    assert {one.amount_cents for one in listed} == {9500}
    assert {one.received_cents for one in listed if one.paid} == {9500}
    assert [one.outcome for one in listed] == [await gateway.payment(one.id) for one in listed]
    assert await gateway.stored_payment(listed[0].id) == listed[0]
    assert await gateway.stored_payment("pi_absent") is None
    assert await gateway.payments_between(start - timedelta(days=9), start - timedelta(days=8)) == []
