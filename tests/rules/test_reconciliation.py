"""What a purchase and Stripe's payments come to when they are held against each other (ruling 20)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.rules.purchases import CREDITED, OPEN, PurchaseStatus
from app.rules.reconciliation import Action, PurchaseSide, Standing, StripeSide, compare, compare_subscription

YOUNG, OLD = timedelta(hours=1), timedelta(hours=25)
OURS = PurchaseSide(PurchaseStatus.COMPLETED, "pi_1", 9500, "USD", YOUNG)
THEIRS = StripeSide("pi_1", Standing.PAID, "succeeded", 9500, "usd")
WAITING = replace(THEIRS, standing=Standing.OPEN, status="requires_action")
DEAD = replace(THEIRS, standing=Standing.DEAD, status="canceled")


@pytest.mark.parametrize("status", PurchaseStatus)
@pytest.mark.parametrize("known", ["pi_1", None])
def test_money_that_was_taken_brings_its_credits_once(status: PurchaseStatus, known: str | None) -> None:
    verdict = compare(replace(OURS, status=status, payment_intent_id=known), [THEIRS])
    assert verdict.unexplained is None
    assert verdict.action is (Action.NOTHING if status in CREDITED else Action.APPLY)


@pytest.mark.parametrize("status", PurchaseStatus)
@pytest.mark.parametrize("age", [YOUNG, OLD])
def test_a_dead_payment_fails_its_purchase(status: PurchaseStatus, age: timedelta) -> None:
    verdict = compare(replace(OURS, status=status, age=age), [DEAD])
    assert verdict.action is (Action.APPLY if status in OPEN else Action.NOTHING)
    assert (verdict.unexplained is not None) is (status in CREDITED)


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize(
    ("known", "stripes", "age", "action"),
    [
        ("pi_1", "requires_action", YOUNG, Action.NOTHING),
        ("pi_1", "requires_action", OLD, Action.DRIVE_ON),
        ("pi_1", "requires_confirmation", OLD, Action.DRIVE_ON),
        ("pi_1", "processing", OLD, Action.NOTHING),
        (None, "requires_action", YOUNG, Action.APPLY),
        (None, "requires_action", OLD, Action.APPLY),
        (None, "processing", YOUNG, Action.APPLY),
    ],
)
def test_a_payment_on_its_way_is_waited_for_a_day(
    status: PurchaseStatus, known: str | None, stripes: str, age: timedelta, action: Action
) -> None:
    ours = replace(OURS, status=status, payment_intent_id=known, age=age)
    assert compare(ours, [replace(WAITING, status=stripes)]) == (
        replace(compare(ours, []), action=action, unexplained=None)
    )


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize(("age", "action"), [(YOUNG, Action.NOTHING), (OLD, Action.DRIVE_ON)])
def test_without_any_payment_an_open_purchase_is_left_to_its_job_for_a_day(
    status: PurchaseStatus, age: timedelta, action: Action
) -> None:
    verdict = compare(replace(OURS, status=status, payment_intent_id=None, age=age), [])
    assert (verdict.action, verdict.unexplained) == (action, None)


def test_a_purchase_that_failed_without_any_payment_is_as_it_should_be() -> None:
    failed = replace(OURS, status=PurchaseStatus.FAILED, payment_intent_id=None, age=OLD)
    assert compare(failed, []).action is Action.NOTHING


@pytest.mark.parametrize(
    ("ours", "payments", "word"),
    [
        (OURS, [replace(THEIRS, amount_cents=9501)], "$95.00, the payment (succeeded) $95.01"),
        (replace(OURS, status=PurchaseStatus.PENDING), [replace(THEIRS, amount_cents=9499)], "$94.99"),
        (OURS, [replace(THEIRS, currency="eur")], "€95.00"),
        (
            OURS,
            [THEIRS, replace(THEIRS, payment_intent_id="pi_2")],
            "2 payments for one purchase: pi_1 (succeeded), pi_2",
        ),
        (replace(OURS, status=PurchaseStatus.PENDING), [THEIRS, replace(DEAD, payment_intent_id="pi_2")], "2 payments"),
        (OURS, [replace(THEIRS, payment_intent_id="pi_2")], "knows the payment pi_1, Stripe has pi_2"),
        (OURS, [WAITING], "completed, its payment requires_action"),
        (OURS, [DEAD], "completed, its payment canceled"),
        (replace(OURS, status=PurchaseStatus.REFUNDED), [DEAD], "refunded, its payment canceled"),
        (replace(OURS, status=PurchaseStatus.FAILED), [WAITING], "may still be paid"),
        (OURS, [], "Stripe has no payment pi_1"),
        (replace(OURS, status=PurchaseStatus.PROCESSING, age=OLD), [], "Stripe has no payment pi_1"),
        (replace(OURS, payment_intent_id=None), [], "completed without any payment"),
    ],
)
def test_what_no_machine_can_explain_is_left_alone(ours: PurchaseSide, payments: list[StripeSide], word: str) -> None:
    verdict = compare(ours, payments)
    assert verdict.action is Action.NOTHING
    assert word in (verdict.unexplained or "")


@pytest.mark.parametrize(
    ("ours", "theirs", "what"),
    [
        ("active", "active", None),
        ("active", "past_due", "the subscription is active, at Stripe past_due"),
        ("canceled", "active", "the subscription is canceled, at Stripe active"),
        ("active", None, "Stripe has no such subscription"),
    ],
)
def test_a_subscription_is_held_against_stripes_word(ours: str, theirs: str | None, what: str | None) -> None:
    assert compare_subscription(ours, theirs) == what
