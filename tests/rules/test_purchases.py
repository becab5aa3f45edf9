"""How long a purchase is waited for, and what a buyer is told (ruling 20)."""

from datetime import timedelta

import pytest

from app.rules.purchases import (
    ACTION_EXPIRES_AFTER,
    CREDITED,
    KEY_LIVES,
    OPEN,
    PurchaseStatus,
    decline_advice,
    follow_up_delay,
)


def test_a_purchase_is_open_credited_or_failed() -> None:
    assert {one.value for one in PurchaseStatus} == {
        "pending", "processing", "requires_action", "completed", "failed", "refunded", "partially_refunded",
    }  # fmt: skip
    assert not OPEN & CREDITED
    assert set(PurchaseStatus) - OPEN - CREDITED == {PurchaseStatus.FAILED}


@pytest.mark.parametrize(
    ("age", "delay"),
    [
        (-5, 20),
        (0, 20),
        (19.9, 20),
        (20, 20),
        (21, 21),
        (60, 60),
        (3599, 3599),
        (3600, 3600),
        (3601, 3600),
        (86400, 3600),
    ],
)
def test_the_wait_grows_with_the_age(age: float, delay: float) -> None:
    assert follow_up_delay(timedelta(seconds=age)) == timedelta(seconds=delay)


def test_a_purchase_is_looked_at_often_enough_before_its_key_is_forgotten() -> None:
    age, looks = timedelta(seconds=20), 0
    while age < KEY_LIVES:
        age += follow_up_delay(age)
        looks += 1
    assert 20 < looks < 60
    assert timedelta(hours=24) > KEY_LIVES  # Stripe keeps keys for at least 24 hours
    assert ACTION_EXPIRES_AFTER + timedelta(hours=1) > KEY_LIVES


@pytest.mark.parametrize(
    ("code", "decline_code", "word"),
    [
        ("card_declined", "insufficient_funds", "insufficient funds"),
        ("expired_card", None, "expired"),
        ("incorrect_cvc", "incorrect_cvc", "security code"),
        ("incorrect_number", None, "number"),
        ("processing_error", None, "few minutes"),
        ("card_declined", "authentication_required", "confirm"),
        ("payment_intent_authentication_failure", None, "confirmation"),
        ("card_declined", None, "declined"),
        ("card_declined", "a_code_of_tomorrow", "declined"),
        ("", "", "declined"),
    ],
)
def test_a_buyer_is_told_what_to_do(code: str, decline_code: str | None, word: str) -> None:
    advice = decline_advice(code, decline_code)
    assert word in advice
    assert advice.endswith(".")
    assert advice.count(".") == 2, "what is wrong, and what to do"


@pytest.mark.parametrize(
    "decline_code", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist"]
)
def test_a_thief_learns_nothing(decline_code: str) -> None:
    assert decline_advice("card_declined", decline_code) == decline_advice("card_declined", "generic_decline")
