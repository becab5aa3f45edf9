"""Every refusal by its own code, with every row as it was, and the rest of the list unharmed (ruling 12, bad input of the API)."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from app.rules.consumption import Figures, RequestType
from app.rules.errors import ErrorCode, IdempotencyMismatch, NotFound
from app.rules.permissions import Role
from app.rules.spending_gate import Lifter, SpendingRefused
from app.services.spending.commands import Release, Reservation, Settle
from tests.factories import make_household
from tests.spending.conftest import NewTill
from tests.spending.till import Till, worth

D = Decimal
E6 = D("0.000001")
ALONE = {"olivia": Role.OWNER}


async def restrict(till: Till, **access: Any) -> None:
    await till.set_pool(settings=json.dumps({"accessControl": access}))


async def gate(till: Till, command: Any) -> SpendingRefused:
    refusal = await till.refusal(command)
    assert isinstance(refusal, SpendingRefused)
    return refusal


async def test_suspended_member_and_disabled_user(new_till: NewTill) -> None:
    till = await new_till()
    key = await till.new_key("usage:write")
    held = await till.reserve(1, who="mia")
    await till.set_member("mia", status="suspended")
    assert (await till.refusal(till.reserving(who="mia"), by=key)).code is ErrorCode.MEMBER_SUSPENDED
    assert (
        await till.refusal(till.reserving(who="mia"), by=till.household.principal("mia"))
    ).code is ErrorCode.MEMBER_SUSPENDED
    (answer,) = await till.submit(Settle(held.id, worth(1)), by=key)  # what was used is paid all the same
    assert isinstance(answer, Reservation)
    await till.inspector.execute("UPDATE users SET disabled_at = now() WHERE id = $1", till.user("rosa"))
    assert (await till.refusal(till.reserving(who="rosa"), by=key)).code is ErrorCode.MEMBER_SUSPENDED


async def test_late_payer_within_and_beyond_grace(new_till: NewTill) -> None:
    till = await new_till(included=D(6), purchased=D(4))
    now = datetime.now(UTC)
    await till.set_subscription(status="past_due", past_due_since=now - timedelta(days=6, hours=23))
    await till.release((await till.reserve(10)).id)
    await till.set_subscription(past_due_since=now - timedelta(days=7, seconds=1))
    refusal = await gate(till, till.reserving(D(4) + E6))
    assert (refusal.code, refusal.limit.remaining) == (ErrorCode.SUBSCRIPTION_NOT_PAID, 4)
    await till.reserve(4)
    assert (await gate(till, till.reserving(E6))).code is ErrorCode.SUBSCRIPTION_NOT_PAID


async def test_models(new_till: NewTill) -> None:
    till = await new_till()
    await restrict(till, blockedModels=["gpt-x"])
    assert (await gate(till, till.reserving())).code is ErrorCode.MODEL_BLOCKED
    await restrict(till, allowedModels=["listed"])
    assert (await gate(till, till.reserving(model_id="unknown"))).code is ErrorCode.MODEL_NOT_ALLOWED
    await till.reserve(model_id="listed")


async def test_member_limits_count_holds_and_use(new_till: NewTill) -> None:
    till = await new_till(purchased=D(100))
    await till.set_member(daily_credit_limit=D(3), monthly_credit_limit=D(5), max_cost_per_request=D(2))
    assert (await gate(till, till.reserving(D(2) + E6))).code is ErrorCode.REQUEST_COST_LIMIT
    held = await till.reserve(2)
    refusal = await gate(till, till.reserving(D(1) + E6))
    assert (refusal.code, refusal.limit.used, refusal.limit.remaining) == (ErrorCode.DAILY_LIMIT, 2, 1)
    assert refusal.limit.lifter is Lifter.SETTINGS
    await till.settle(held.id, 2)
    assert (await gate(till, till.reserving(D(1) + E6))).code is ErrorCode.DAILY_LIMIT
    await till.reserve(1)
    await till.set_member(daily_credit_limit=None)
    await till.reserve(2)
    refusal = await gate(till, till.reserving(E6))
    assert (refusal.code, refusal.limit.limit) == (ErrorCode.MONTHLY_LIMIT, 5)
    assert (await till.member())["usage_today"] == 2


async def test_yesterdays_use_counts_no_more_today(new_till: NewTill) -> None:
    till = await new_till()
    await till.set_member(daily_credit_limit=D(1))
    await till.settle((await till.reserve(1)).id, 1)
    assert (await gate(till, till.reserving(E6))).code is ErrorCode.DAILY_LIMIT
    member = await till.member()
    await till.set_member(usage_on=member["usage_on"] - timedelta(days=40))
    await till.settle((await till.reserve(1)).id, "0.5")
    member = await till.member()
    counters = [member[f"usage_{period}"] for period in ("today", "this_week", "this_month", "all_time")]
    assert counters == [D("0.5"), D("0.5"), D("0.5"), D("1.5")]


async def test_an_approval_lets_exactly_one_hold_through(new_till: NewTill) -> None:
    till = await new_till()
    await restrict(till, requireApprovalAbove="1")
    await till.reserve(1)
    refusal = await gate(till, till.reserving(2))
    assert (refusal.code, refusal.limit.limit) == (ErrorCode.APPROVAL_REQUIRED, 1)
    for useless in (
        {"amount": D(2) - E6},
        {"amount": 5, "who": "mia"},
        {"amount": 5, "model_id": "other"},
        {"amount": 5, "status": "pending"},
        {"amount": 5, "lasts": timedelta(seconds=-1)},
    ):
        await till.approve(**useless)  # type: ignore[arg-type]
    assert (await gate(till, till.reserving(2))).code is ErrorCode.APPROVAL_REQUIRED
    approval = await till.approve(2)
    answers = await till.submit(till.reserving("0.5"), till.reserving(2), till.reserving(2))
    assert [type(one) for one in answers] == [Reservation, Reservation, SpendingRefused]
    used = await till.inspector.fetchrow("SELECT * FROM credit_reservations WHERE approval_request_id = $1", approval)
    assert used is not None
    assert used["amount"] == 2
    await till.release(used["id"])
    assert (await gate(till, till.reserving(2))).code is ErrorCode.APPROVAL_REQUIRED


async def test_one_approval_and_many_at_once(new_till: NewTill) -> None:
    till = await new_till(purchased=D(100))
    await restrict(till, requireApprovalAbove="1")
    await till.approve(2)
    answers = await asyncio.gather(*(till.submit(till.reserving(2)) for _ in range(20)))
    assert [isinstance(answer, Reservation) for (answer,) in answers].count(True) == 1


async def test_caps_of_the_tier(new_till: NewTill) -> None:
    """FREE has the tightest: each is taken from the catalogue as it stands."""
    till = await new_till(tier="FREE", included=D("0.5"), people=ALONE, purchased=D(100))
    await till.reserve("0.000001")
    caps = till.spending._caps["FREE"]
    assert caps.models_per_month
    assert caps.tokens_per_request
    assert caps.concurrent_requests
    figures = Figures(input_tokens=D(caps.tokens_per_request + 1), output_tokens=D(0))
    text = till.reserving(request_type=RequestType.TEXT, figures=figures)
    assert (await gate(till, text)).code is ErrorCode.TOKENS_PER_REQUEST
    await till.set_pool(held_count=caps.concurrent_requests)
    assert (await gate(till, till.reserving(E6))).code is ErrorCode.CONCURRENT_REQUESTS
    await till.set_pool(held_count=1)
    assert caps.requests_per_day
    await till.set_pool(requests_today=caps.requests_per_day)
    assert (await gate(till, till.reserving(E6))).code is ErrorCode.REQUESTS_PER_DAY


async def test_cap_of_a_minute(new_till: NewTill) -> None:
    """As many as pass within this minute of the clock; those of the minute before count no more."""
    till = await new_till(purchased=D(100))
    await till.release((await till.reserve(E6)).id)
    most = till.spending._caps["ENTERPRISE_PLUS"].requests_per_minute
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    await till.set_pool(traffic_minute=minute - timedelta(minutes=1), requests_this_minute=most)
    await till.release((await till.reserve(E6)).id)
    for now in (datetime.now(UTC), datetime.now(UTC)):  # a second time, should the minute end in between
        minute = now.replace(second=0, microsecond=0)
        await till.set_pool(traffic_minute=minute, requests_this_minute=most)
        (answer,) = await till.submit(till.reserving(E6))
        if datetime.now(UTC) < minute + timedelta(minutes=1):
            assert getattr(answer, "code", None) is ErrorCode.REQUESTS_PER_MINUTE
            return
    pytest.fail("two minutes ended within moments")


async def test_models_a_month_count_within_one_list(new_till: NewTill) -> None:
    till = await new_till(tier="FREE", included=D("0.5"), people=ALONE, purchased=D(1))
    first = await till.reserve(E6, model_id="m0")
    cap = till.spending._caps["FREE"].models_per_month
    assert cap
    await till.release(first.id)
    await till.set_pool(held_count=0)
    answers = []
    for number in range(cap + 1):  # settled one by one: FREE has few at once
        (answer,) = await till.submit(till.reserving(E6, model_id=f"m{number}"))
        answers.append(answer)
        if isinstance(answer, Reservation):
            await till.settle(answer.id, E6)
    assert [isinstance(one, Reservation) for one in answers] == [True] * cap + [False]
    assert getattr(answers[-1], "code", None) is ErrorCode.MODELS_PER_MONTH
    await till.reserve(E6, model_id="m0")


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        (Figures(input_tokens=D(-1), output_tokens=D(1)), ErrorCode.WRONG_FIGURES),
        (Figures(input_tokens=D(0), output_tokens=D(0)), ErrorCode.WRONG_FIGURES),
        (Figures(input_tokens=D("0.5"), output_tokens=D(1)), ErrorCode.WRONG_FIGURES),
        (Figures(input_tokens=D("1e30"), output_tokens=D(1)), ErrorCode.WRONG_FIGURES),
        (Figures(input_tokens=D("NaN"), output_tokens=D(1)), ErrorCode.WRONG_FIGURES),
        (Figures(output_tokens=D(1)), ErrorCode.USAGE_MISSING),
        (Figures(), ErrorCode.USAGE_MISSING),
    ],
)
async def test_bad_figures_leave_the_hold_standing(new_till: NewTill, figures: Figures, code: ErrorCode) -> None:
    till = await new_till()
    assert (await till.refusal(till.reserving(request_type=RequestType.TEXT, figures=figures))).code is code
    held = await till.reserve(request_type=RequestType.TEXT, figures=Figures(input_tokens=D(1), output_tokens=D(1)))
    assert (await till.refusal(Settle(held.id, figures))).code is code
    (answer,) = await till.submit(Settle(held.id, Figures(input_tokens=D(1), output_tokens=D(1))))
    assert getattr(answer, "status", None) == "settled"


async def test_a_request_id_is_one_hold_ever(new_till: NewTill) -> None:
    till, other = await new_till(), await new_till()
    command = till.reserving(1)
    first, again = await till.submit(command, command)
    assert first == again
    assert isinstance(first, Reservation)
    await till.release(first.id)
    (later,) = await till.submit(command)
    assert getattr(later, "status", None) == "released"
    for changed in (
        till.reserving(2, request_id=command.request_id),
        till.reserving(1, request_id=command.request_id, model_id="other"),
        till.reserving(
            1, request_id=command.request_id, request_type=RequestType.SPEECH, figures=Figures(characters=D(1))
        ),
        till.reserving(1, request_id=command.request_id, hold_for=timedelta(seconds=1)),
    ):
        assert isinstance(await till.refusal(changed), IdempotencyMismatch)
    theirs = other.reserving(1, request_id=command.request_id)
    assert isinstance((await other.submit(theirs))[0], Reservation)  # another tenant: another request


async def test_people_spend_for_themselves_only(new_till: NewTill) -> None:
    till = await new_till()
    held = await till.reserve(1)
    mia = till.household.principal("mia")
    assert isinstance(await till.refusal(till.reserving(1), by=mia), NotFound)
    for command in (Settle(held.id, worth(1)), Release(held.id), Settle(held.request_id, worth(1))):
        assert isinstance(await till.refusal(command, by=mia), NotFound)


async def test_pools_of_others_and_of_nobody_read_the_same(new_till: NewTill) -> None:
    till, other = await new_till(), await new_till()
    key = await till.new_key("usage:write")
    texts = set()
    for by in (till.principal, key):
        for pool_id in (other.pool_id, uuid4()):
            for command in (till.reserving(), Settle(uuid4(), worth(1)), Release(uuid4())):
                refusal = await till.refusal(command, by=by, pool_id=pool_id)
                texts.add((type(refusal), refusal.code, refusal.message))
    assert texts == {(NotFound, ErrorCode.NOT_FOUND, "There is no such pool.")}


async def test_one_refusal_spoils_no_other_item(new_till: NewTill) -> None:
    till = await new_till(included=D(3))
    stranger = await make_household(till.database)
    good = till.reserving(1)
    answers = await till.submit(
        till.reserving(100),
        good,
        till.reserving(1, user_id=stranger.people["olivia"].user_id),
        Settle(uuid4(), worth(1)),
        Settle(good.request_id, Figures()),
        Settle(good.request_id, worth("0.5")),
        Release(good.request_id),
        till.reserving(2),
    )
    codes = [getattr(answer, "code", None) or getattr(answer, "status", None) for answer in answers]
    assert codes == [
        ErrorCode.INSUFFICIENT_CREDITS, "held", ErrorCode.NOT_FOUND, ErrorCode.NOT_FOUND, ErrorCode.USAGE_MISSING,
        "settled", ErrorCode.RESERVATION_CLOSED, "held",
    ]  # fmt: skip
    assert await till.balances() == (D("0.5"), 2, 0)


async def test_a_list_of_500_is_one_flush(new_till: NewTill) -> None:
    till = await new_till(purchased=D(5))
    answers = await till.submit(*(till.reserving("0.01") for _ in range(500)))
    assert all(isinstance(answer, Reservation) for answer in answers)
    settled = await till.submit(
        *(Settle(answer.id, worth("0.02")) for answer in answers if isinstance(answer, Reservation))
    )
    assert all(getattr(answer, "status", None) == "settled" for answer in settled)
    assert await till.balances() == (1, 0, 0)
