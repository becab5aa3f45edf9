"""What a buyer is told at every step (ruling 20)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.rules.purchase_progress import Facts, Moment, NextStep, card_text, decline_advice, moment_text, progress
from app.rules.purchases import PurchaseStatus

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
FACTS = Facts(
    status=PurchaseStatus.COMPLETED,
    total_credits=Decimal("57.500000"),
    total_cents=42_500,
    refunded_cents=0,
    currency="USD",
    failure_code=None,
    failure_reason=None,
    has_action_url=False,
    created_at=AT,
)


@pytest.mark.parametrize("status", PurchaseStatus)
def test_every_status_has_a_title_a_reason_and_a_next_step(status: PurchaseStatus) -> None:
    found = progress(replace(FACTS, status=status))
    assert found.title
    assert found.title[-1] not in ".!"
    assert found.explanation.endswith(".")
    assert "$425.00" in found.explanation or status is PurchaseStatus.FAILED
    assert "None" not in found.title + found.explanation


def test_money_under_way_is_waited_for_and_never_asked_for_twice() -> None:
    for status in (PurchaseStatus.PENDING, PurchaseStatus.PROCESSING):
        found = progress(replace(FACTS, status=status))
        assert (found.next_step, found.next_step_by) == (NextStep.WAIT, None)


def test_the_banks_step_can_be_taken_for_a_day() -> None:
    found = progress(replace(FACTS, status=PurchaseStatus.REQUIRES_ACTION, has_action_url=True))
    assert (found.next_step, found.next_step_by) == (NextStep.CONFIRM_WITH_BANK, AT + timedelta(days=1))
    nowhere = progress(replace(FACTS, status=PurchaseStatus.REQUIRES_ACTION))
    assert nowhere.next_step is NextStep.WAIT


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("insufficient_funds", NextStep.TRY_ANOTHER_CARD),
        ("payment_intent_authentication_failure", NextStep.TRY_ANOTHER_CARD),
        ("a_code_of_tomorrow", NextStep.TRY_ANOTHER_CARD),
        (None, NextStep.TRY_ANOTHER_CARD),
        ("abandoned", NextStep.BUY_AGAIN),
        ("never_charged", NextStep.BUY_AGAIN),
        ("canceled", NextStep.BUY_AGAIN),
        ("processing_error", NextStep.BUY_AGAIN),
    ],
)
def test_after_a_failure_the_card_is_blamed_only_if_it_was_the_card(code: str | None, step: NextStep) -> None:
    reason = decline_advice(code or "", None)
    found = progress(replace(FACTS, status=PurchaseStatus.FAILED, failure_code=code, failure_reason=reason))
    assert found.next_step is step
    assert found.explanation == f"{reason} Nothing was charged."


def test_quantities_and_amounts_read_as_people_write_them() -> None:
    assert progress(FACTS).title == "57.5 credits are yours"
    single = replace(FACTS, total_credits=Decimal("1.000000"), total_cents=1000)
    assert progress(single).title == "1 credit is yours"
    assert progress(single).explanation == "Paid $10.00. It is in the pool and never expires."
    part = replace(FACTS, status=PurchaseStatus.PARTIALLY_REFUNDED, refunded_cents=12_345)
    assert progress(part).explanation.startswith("$123.45 of $425.00 went back")
    large = replace(FACTS, total_credits=Decimal("12000.000000"), total_cents=8_000_000)
    assert progress(large).title == "12,000 credits are yours"
    assert "$80,000.00" in progress(large).explanation


def test_every_moment_has_its_line() -> None:
    assert len({moment_text(moment) for moment in Moment}) == len(Moment)


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("visa 4242", "Visa ending in 4242"),
        ("amex 0005", "American Express ending in 0005"),
        ("card", "Card"),
        (None, "Card"),
        ("eftpos_au 1234", "Eftpos au ending in 1234"),
    ],
)
def test_a_card_as_a_person_reads_it(stored: str | None, text: str) -> None:
    assert card_text(stored) == text


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
        ("resource_missing", None, "no longer"),
        ("never_charged", None, "never reached"),
        ("abandoned", None, "within a day"),
        ("canceled", None, "canceled"),
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
