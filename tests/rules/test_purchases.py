"""The states of a purchase, and how long it is waited for (ruling 20)."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.rules.purchases import (
    ACTION_EXPIRES_AFTER,
    CREDITED,
    KEY_LIVES,
    OPEN,
    PurchaseStatus,
    follow_up_delay,
    may_become,
    purchase_page,
    refund_status,
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


ALLOWED = {
    "pending": {"pending", "processing", "requires_action", "completed", "failed"},
    "processing": {"processing", "requires_action", "completed", "failed"},
    "requires_action": {"requires_action", "processing", "completed", "failed"},
    "failed": {"completed"},
    "completed": {"partially_refunded", "refunded"},
    "partially_refunded": {"refunded", "completed"},
    "refunded": {"partially_refunded", "completed"},
}


@pytest.mark.parametrize("status", PurchaseStatus)
@pytest.mark.parametrize("following", PurchaseStatus)
def test_which_status_follows_which(status: PurchaseStatus, following: PurchaseStatus) -> None:
    assert may_become(status, following) is (following.value in ALLOWED[status.value])


def test_no_way_leads_back_into_an_open_purchase() -> None:
    for ended in set(PurchaseStatus) - OPEN:
        assert not any(may_become(ended, still_open) for still_open in OPEN)


@pytest.mark.parametrize(
    ("paid", "returned", "status"),
    [
        (9500, -1, "completed"),
        (9500, 0, "completed"),
        (9500, 1, "partially_refunded"),
        (9500, 9499, "partially_refunded"),
        (9500, 9500, "refunded"),
        (9500, 9501, "refunded"),
    ],
)
def test_what_went_back_makes_the_status(paid: int, returned: int, status: str) -> None:
    assert refund_status(paid, returned) == status


def test_the_page_of_a_purchase_carries_its_id_of_the_api() -> None:
    purchase_id = UUID("01234567-89ab-cdef-0123-456789abcdef")
    assert purchase_page("https://billing.example", purchase_id) == (
        "https://billing.example/purchases/Q3JlZGl0UHVyY2hhc2U6MDEyMzQ1NjctODlhYi1jZGVmLTAxMjMtNDU2Nzg5YWJjZGVm"
    )
