"""Many at once, from several processes: exactly as much passes as there is."""

import asyncio
import json
import sys
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.conftest import Urls
from tests.spending.conftest import NewTill
from tests.spending.till import Till

D = Decimal
PROCESSES, TASKS = 4, 64


async def spend_together(
    till: Till, urls: Urls, *, spends: int, credits: str, settle: bool = True, request_id: str = ""
) -> Counter[str]:
    """Let 4 processes of 16 tasks each make so many spends in all; how often each answer was given."""
    key = await till.new_key("usage:write")
    orders: dict[str, Any] = {
        "url": urls.app,
        "tenant": str(till.household.tenant_id),
        "key": str(key.key_id),
        "secret_hash": key.secret_hash.hex(),
        "pool": str(till.pool_id),
        "user": str(till.user()),
        "credits": credits,
        "tasks": TASKS // PROCESSES,
        "spends": spends // PROCESSES,
        "settle": settle,
        "request_id": request_id,
    }
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.spending.spender", stdin=pipe, stdout=pipe)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(json.dumps(orders).encode() + b"\n")
    for process in processes:
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return Counter(answer for output, _ in outputs for answer in json.loads(output.splitlines()[-1]))


async def test_a_balance_for_500_of_1000_spends(new_till: NewTill, urls: Urls) -> None:
    till = await new_till(included=D("2.5"), bonus=D("1.25"), purchased=D("1.25"))
    answers = await spend_together(till, urls, spends=1000, credits="0.01")
    settled = sum(count for answer, count in answers.items() if answer.startswith("settled "))
    assert (settled, answers["INSUFFICIENT_CREDITS"]) == (500, 500)
    assert await till.balances() == (0, 0, 0)
    assert len(await till.usage()) == 500
    assert -sum(one["amount"] for one in await till.entries()) == 5


async def test_a_daily_limit_for_500_of_1000_spends(new_till: NewTill, urls: Urls) -> None:
    till = await new_till(purchased=D(100))
    await till.set_member(daily_credit_limit=D(5))
    answers = await spend_together(till, urls, spends=1000, credits="0.01")
    settled = sum(count for answer, count in answers.items() if answer.startswith("settled "))
    assert (settled, answers["DAILY_LIMIT"]) == (500, 500)
    assert (await till.member())["usage_today"] == 5


async def test_a_request_id_sent_50_times_at_once_is_one_hold(new_till: NewTill, urls: Urls) -> None:
    till = await new_till()
    answers = await spend_together(till, urls, spends=52, credits="1", settle=False, request_id=str(uuid4()))
    ((answer, count),) = answers.items()
    assert answer.startswith("held ")
    assert count == 52
    assert await till.balances() == (5, 1, 0)
