"""What a refund may give back, and which credits go with it."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.burn_order import Bucket
from app.rules.catalogue import PRICE_BANDS
from app.rules.disputes import DisputeState, reason_text, state, withdrawn_cents
from app.rules.disputes import advice as dispute_advice
from app.rules.errors import Invalid, RefundTooLarge, Refusal
from app.rules.pricing import Band, price
from app.rules.refunds import (
    RefundStatus,
    Share,
    Sold,
    Taken,
    advances,
    advice,
    check_amount,
    check_reason,
    share,
    take_back,
)

D = Decimal
BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
PAID = {"paid_cents": 9500}


@pytest.mark.parametrize(
    ("asked", "claimed", "gives"),
    [(None, 0, 9500), (9500, 0, 9500), (1, 0, 1), (None, 9499, 1), (1, 9499, 1), (500, 9000, 500)],
)
def test_what_is_left_can_be_refunded(asked: int | None, claimed: int, gives: int) -> None:
    assert check_amount(asked, claimed_cents=claimed, **PAID) == gives


@pytest.mark.parametrize(
    ("asked", "claimed", "refusal", "words"),
    [
        (9501, 0, RefundTooLarge, "95.01 USD can't be refunded: 95.00 is left"),
        (501, 9000, RefundTooLarge, "5.01 USD can't be refunded: 5.00 is left (90.00 of the 95.00 USD paid"),
        (None, 9500, RefundTooLarge, "nothing left to refund: 95.00 of the 95.00 USD paid"),
        (1, 9500, RefundTooLarge, "nothing left to refund"),
        (1, 19000, RefundTooLarge, "nothing left to refund"),
        (0, 0, Invalid, "at least 0.01 USD; 0.00 was asked for"),
        (-1, 0, Invalid, "at least 0.01 USD; -0.01 was asked for"),
    ],
)
def test_other_amounts_are_refused(asked: int | None, claimed: int, refusal: type[Refusal], words: str) -> None:
    with pytest.raises(refusal) as refused:
        check_amount(asked, claimed_cents=claimed, **PAID)
    assert words in refused.value.message
    assert refused.value.path == ("amountCents",)


def test_a_reason_is_needed() -> None:
    assert check_reason("  bought twice ") == "bought twice"
    assert check_reason("x" * 500) == "x" * 500
    for wrong in ("", "   ", "x" * 501, "a\0b"):
        with pytest.raises(Invalid, match="1 to 500 characters"):
            check_reason(wrong)


TEN = Sold(D(10), D("0.5"), 9500)
ODD = Sold(D(1), D(0), 3)


@pytest.mark.parametrize(
    ("sold", "cents", "purchased", "bonus"),
    [
        (TEN, 0, "0", "0"),
        (TEN, 9500, "10", "0.5"),
        (TEN, 4750, "5", "0.25"),
        (TEN, 1, "0.001053", "0.000053"),  # 0.00105263..., 0.0000526...
        (ODD, 1, "0.333333", "0"),
        (ODD, 2, "0.666667", "0"),
        (Sold(D("0.5"), D(0), 100_000_0), 1, "0.000001", "0"),  # 0.0000005 is rounded half up
        (TEN, 9501, "10", "0.5"),  # a dispute of what was refunded already
        (TEN, -1, "0", "0"),
    ],
)
def test_credits_go_in_proportion(sold: Sold, cents: int, purchased: str, bonus: str) -> None:
    assert share(sold, cents) == Share(D(purchased), D(bonus))


@given(quantity=st.integers(100, 1_000_000), data=st.data())
def test_parts_in_any_order_add_up_to_the_whole(quantity: int, data: st.DataObject) -> None:
    """Whatever is refunded, in whichever parts: each part's credits are its share to within a millionth, and all are the purchase's."""
    quoted = price(D(quantity) / 100, BANDS)
    sold = Sold(quoted.credits, quoted.bonus_credits, quoted.total_cents)
    cuts = data.draw(st.lists(st.integers(0, sold.paid_cents), max_size=8))
    steps = [0, *sorted(cuts), sold.paid_cents]
    parts = data.draw(st.permutations([later - earlier for earlier, later in pairwise(steps)]))
    gone, taken = 0, Share(D(0), D(0))
    for part in parts:
        gone += part
        due = share(sold, gone) - taken
        assert due.purchased >= 0
        assert due.bonus >= 0
        assert abs(Fraction(due.purchased) - Fraction(sold.credits) * part / sold.paid_cents) <= Fraction(1, 1_000_000)
        taken = Share(taken.purchased + due.purchased, taken.bonus + due.bonus)
    assert taken == Share(sold.credits, sold.bonus)


@pytest.mark.parametrize(
    ("due", "remaining", "available", "taken"),
    [
        # nothing is spent
        ((10, "0.5"), (6, "0.5", 10), "16.5", (10, "0.5", 0)),
        # purchased ones are spent in part: only its own bucket gives them
        ((10, "0.5"), (6, "0.5", 4), "10.5", (4, "0.5", 6)),
        # the bonus went first, as it does
        ((10, "0.5"), (0, 0, 10), 10, (10, 0, "0.5")),
        # another purchase's credits are as good
        ((10, "0.5"), (0, 3, 25), 28, (10, "0.5", 0)),
        # all is spent
        ((10, "0.5"), (0, 0, 0), 0, (0, 0, "10.5")),
        # what is held is not taken
        ((10, "0.5"), (0, "0.5", 10), 4, (4, 0, "6.5")),
        ((10, "0.5"), (6, "0.5", 10), 0, (0, 0, "10.5")),
        ((10, "0.5"), (0, "0.5", 10), "10.2", (10, "0.2", "0.3")),
        # what comes back comes whole
        ((-10, "-0.5"), (0, 0, 0), 0, (-10, "-0.5", 0)),
        ((0, 0), (1, 1, 1), 3, (0, 0, 0)),
    ],
)
def test_which_credits_are_taken(
    due: tuple[int, str], remaining: tuple[int | str, ...], available: int | str, taken: tuple[int | str, ...]
) -> None:
    buckets = dict(zip((Bucket.INCLUDED, Bucket.BONUS, Bucket.PURCHASED), map(D, remaining), strict=True))
    assert take_back(Share(*map(D, due)), buckets, D(available)) == Taken(*map(D, taken))


millionths = st.integers(0, 20_000_000).map(lambda number: D(number).scaleb(-6))


@given(due=st.tuples(millionths, millionths), left=st.tuples(millionths, millionths, millionths), data=st.data())
def test_nothing_goes_below_zero_and_what_is_held_stays(
    due: tuple[D, D], left: tuple[D, D, D], data: st.DataObject
) -> None:
    available = min(data.draw(millionths), sum(left, D(0)))
    buckets = dict(zip((Bucket.INCLUDED, Bucket.BONUS, Bucket.PURCHASED), left, strict=True))
    taken = take_back(Share(*due), buckets, available)
    assert taken.purchased + taken.bonus + taken.shortfall == sum(due)
    assert min(taken.purchased, taken.bonus, taken.shortfall) >= 0
    assert taken.purchased <= buckets[Bucket.PURCHASED]
    assert taken.bonus <= buckets[Bucket.BONUS]
    assert taken.purchased + taken.bonus <= available
    if taken.shortfall:  # only what could not be taken is owed
        short_of_available = taken.purchased + taken.bonus == available
        assert short_of_available or taken.purchased == min(due[0], buckets[Bucket.PURCHASED])
        assert short_of_available or taken.bonus == min(due[1], buckets[Bucket.BONUS])


S = RefundStatus


def test_a_refund_only_moves_on() -> None:
    order = [S.PENDING, S.PROCESSING, S.SUCCEEDED, S.FAILED]
    for known in order:
        for told in order:
            assert advances(known, told, at_stripe=True) == (order.index(told) > order.index(known)), (known, told)
    assert advances(S.FAILED, S.SUCCEEDED, at_stripe=False)
    assert advances(S.FAILED, S.PROCESSING, at_stripe=False)
    assert not advances(S.FAILED, S.FAILED, at_stripe=False)
    assert not advances(S.REQUESTED, S.SUCCEEDED, at_stripe=False)
    assert not advances(S.REJECTED, S.SUCCEEDED, at_stripe=False)


@pytest.mark.parametrize(
    ("amount", "movements", "won", "same_currency", "gone"),
    [
        (9500, (), False, True, 0),  # an inquiry, or withdrawn a moment later
        (9500, (-9500,), False, True, 9500),
        (9500, (-9500,), True, True, 0),  # won: the money follows
        (9500, (-9500, 9500), True, True, 0),
        (9500, (-9500, 4000), True, True, 5500),  # won in part
        (9500, (-9500, 4000), False, True, 5500),
        (4000, (-9500, 5500), False, True, 4000),
        (4000, (-9500,), False, True, 4000),  # the amount was corrected
        (9500, (-9500, 9500, -9500), False, True, 9500),  # won, and lost on appeal
        (9500, (-9500, 9600), False, True, 0),
        (9500, (-8700,), False, False, 9500),  # an account in another currency
        (9500, (-8700, 4350), False, False, 4750),
        (3, (-2, 1), False, False, 2),  # 1.5 is rounded half up
    ],
)
def test_what_the_bank_holds(
    amount: int, movements: tuple[int, ...], *, won: bool, same_currency: bool, gone: int
) -> None:
    assert withdrawn_cents(amount, movements, won=won, same_currency=same_currency) == gone


def test_every_state_has_its_advice() -> None:
    said = [advice(status) for status in S] + [dispute_advice(one) for one in DisputeState]
    assert len(set(said)) == len(S) + len(DisputeState)
    assert "declined: bought long ago. " in advice(S.REJECTED, note="bought long ago")
    assert "the card has expired" in advice(S.FAILED, "expired_or_canceled_card")
    assert reason_text("fraudulent") == "the cardholder did not make it"
    assert reason_text("a_word_of_tomorrow") == "a word of tomorrow"
    assert state("won") is DisputeState.WON
    assert state("warning_under_review") is DisputeState.INQUIRY
    assert state("a_word_of_tomorrow") is DisputeState.OPEN
