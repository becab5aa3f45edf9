"""What a receipt says: the lines add up to what was paid, and every amount reads as people write it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.catalogue import PRICE_BANDS
from app.rules.pricing import Band, price
from app.rules.receipts import LONGEST_NAME, MOST_REFUNDS, Sold, receipt, receipt_number

PURCHASE = UUID("01234567-89ab-cdef-0123-456789abcdef")
PAID = datetime(2026, 11, 6, 9, 5, tzinfo=UTC)
BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
SOLD = Sold(
    purchase_id=PURCHASE,
    paid_at=PAID,
    buyer_name="Elena Rivera",
    buyer_email="owner@rivera.example",
    pool_name="Family pool",
    tenant_name="Rivera family",
    credits=Decimal("50.000000"),
    bonus_credits=Decimal("7.500000"),
    unit_price_cents=1000,
    base_cents=50_000,
    discount_cents=7_500,
    discount_rate=Decimal("0.1500"),
    total_cents=42_500,
    refunded_cents=0,
    refunds=(),
    currency="USD",
    card="visa 4242",
    payment_intent_id="pi_1",
)


def test_everything_that_it_says() -> None:
    assert receipt(SOLD, "Billing portal · billing.example") == {
        "title": "Receipt R-20261106-0123456789AB",
        "number": "R-20261106-0123456789AB",
        "seller": "Billing portal · billing.example",
        "date": {"year": 2026, "month": 11, "day": 6},
        "paid_on": "6 November 2026, 09:05 UTC",
        "billed_to": ["Elena Rivera", "owner@rivera.example", "Family pool", "Rivera family"],
        "paid_with": ["Visa ending in 4242", "Payment pi_1", f"Purchase {PURCHASE}"],
        "lines": [
            ["AI credits", "50", "$10.00", "$500.00"],
            ["Volume discount, 15%", "", "", "\u2212$75.00"],
            ["Bonus credits", "7.5", "free", "$0.00"],
        ],
        "sums": [["Total paid", "$425.00", True]],
        "note": "57.5 credits were added to Family pool. Purchased and bonus credits never expire. All amounts are in USD.",
    }


def test_every_refund_is_on_it_and_what_is_left() -> None:
    day = datetime(2026, 11, 7, 23, 59, tzinfo=UTC)
    parts = ((day, 10_000), (day + timedelta(days=1), 2_500))
    assert receipt(replace(SOLD, refunded_cents=12_500, refunds=parts), "x")["sums"] == [
        ["Total paid", "$425.00", False],
        ["Refunded on 7 November 2026", "\u2212$100.00", False],
        ["Refunded on 8 November 2026", "\u2212$25.00", False],
        ["Paid after refunds", "$300.00", True],
    ]


@pytest.mark.parametrize(("refunds", "disputed"), [(0, 42_500), (1, 42_400), (MOST_REFUNDS, 0), (MOST_REFUNDS + 9, 5)])
def test_however_it_went_back_the_sums_add_up(refunds: int, disputed: int) -> None:
    parts = tuple((PAID, 100) for _ in range(refunds))
    said = receipt(replace(SOLD, refunded_cents=100 * refunds + disputed, refunds=parts), "x")["sums"]
    amounts = [Decimal(line[1].replace("\u2212", "-").replace("$", "").replace(",", "")) for line in said]
    assert sum(amounts[:-1]) == amounts[-1] == Decimal(42_500 - 100 * refunds - disputed) / 100
    assert any(line[0] == "Returned in a dispute" for line in said) is (disputed > 0)
    assert len(said) <= MOST_REFUNDS + 4


def test_without_discount_and_bonus_there_is_one_line() -> None:
    plain = replace(
        SOLD, credits=Decimal(5), bonus_credits=Decimal(0), base_cents=5000, discount_cents=0, total_cents=5000
    )
    assert receipt(plain, "x")["lines"] == [["AI credits", "5", "$10.00", "$50.00"]]


def test_lines_that_do_not_add_up_are_never_printed() -> None:
    with pytest.raises(ValueError, match="add up"):
        receipt(replace(SOLD, total_cents=42_501), "x")


def test_a_name_is_said_once_and_fits_on_paper() -> None:
    said = receipt(replace(SOLD, buyer_name="N\n" * 500, pool_name="Same", tenant_name="Same"), "x")
    assert said["billed_to"][1:] == ["owner@rivera.example", "Same"]
    assert len(said["billed_to"][0]) == LONGEST_NAME
    assert "\n" not in said["billed_to"][0]


@given(st.integers(100, 1_000_000))
def test_for_any_quantity_the_printed_lines_add_up_to_the_printed_total(hundredths: int) -> None:
    sold = price(Decimal(hundredths) / 100, BANDS)
    said = receipt(
        replace(
            SOLD,
            credits=sold.credits,
            bonus_credits=sold.bonus_credits,
            unit_price_cents=sold.band.unit_price_cents,
            base_cents=sold.base_cents,
            discount_cents=sold.discount_cents,
            discount_rate=sold.band.discount_rate,
            total_cents=sold.total_cents,
        ),
        "x",
    )
    printed = [Decimal(line[3].replace("\u2212", "-").replace("$", "").replace(",", "")) for line in said["lines"]]
    assert (
        sum(printed)
        == Decimal(said["sums"][-1][1].replace("$", "").replace(",", ""))
        == Decimal(sold.total_cents) / 100
    )
    quantities = [Decimal(line[1].replace(",", "")) for line in said["lines"] if line[1]]
    assert sum(quantities) == sold.total_credits


def test_numbers_of_different_purchases_differ() -> None:
    assert receipt_number(PURCHASE, PAID) != receipt_number(UUID(int=PURCHASE.int ^ (1 << 100)), PAID)
