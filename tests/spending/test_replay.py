"""A trace in the shape of the Azure LLM inference traces goes through reserve and settle; SQL over the trace agrees with the ledger.

PORTAL_TEST_REPLAY: how many requests (1,500; `make test-deep`: 20,000).
"""

import asyncio
import io
import os
from decimal import Decimal
from uuid import uuid4

from app.rules.consumption import Figures, RequestType
from app.services.spending.commands import Reservation, Settle
from bench.trace import Request, read, trace, write
from tests.spending.conftest import NewTill
from tests.spending.till import Till

REQUESTS = int(os.environ.get("PORTAL_TEST_REPLAY", "1500"))
SEED = 7
MODELS = ("gpt-x", "trace-dear", "trace-cheap")
ESTIMATE = Figures(input_tokens=Decimal(20_000), output_tokens=Decimal(2_000))


def test_the_same_seed_gives_the_same_trace() -> None:
    first, again, other = list(trace(7, 200)), list(trace(7, 200)), list(trace(8, 200))
    assert first == again != other
    assert [one.timestamp for one in first] == sorted(one.timestamp for one in first)
    text = io.StringIO()
    write(iter(first), text)
    assert text.getvalue().startswith("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:")
    assert list(read(io.StringIO(text.getvalue()))) == first


async def _spend(till: Till, requests: list[tuple[int, Request]]) -> None:
    """One gateway: holds the most that a request may use, then settles what the trace says."""
    for number, request in requests:
        reserving = till.reserving(
            request_id=uuid4(), request_type=RequestType.TEXT, figures=ESTIMATE, model_id=MODELS[number % len(MODELS)]
        )
        used = Figures(input_tokens=Decimal(request.context_tokens), output_tokens=Decimal(request.generated_tokens))
        held, settled = await till.submit(reserving, Settle(reserving.request_id, used), by=till.principal)
        assert isinstance(held, Reservation), held
        assert isinstance(settled, Reservation), settled


async def test_sql_over_the_trace_equals_the_ledger(new_till: NewTill) -> None:
    till = await new_till(included=Decimal(1), bonus=Decimal("0.5"), purchased=Decimal(100_000))
    await till.inspector.execute(
        "INSERT INTO model_prices (model_id, provider_id, display_name, credit_rate_multiplier) "
        "VALUES ('trace-dear', 'acme', 'Dear', 2.5), ('trace-cheap', 'acme', 'Cheap', 0.1234)"
    )
    requests = list(enumerate(trace(SEED, REQUESTS)))
    till.principal = await till.new_key("usage:write")
    # A replay is faster than the trace: the caps of a minute are lifted.
    await till.inspector.execute(
        "UPDATE subscription_tiers SET requests_per_minute = 1000000000, tokens_per_minute = 2000000000 WHERE id = 'ENTERPRISE_PLUS'"
    )
    till.spending._catalogue._read_at = -1e9
    await asyncio.gather(*(_spend(till, requests[gateway::16]) for gateway in range(16)))
    await till.inspector.execute("CREATE TABLE azure_trace (number int, context_tokens int, generated_tokens int)")
    await till.inspector.copy_records_to_table(
        "azure_trace", records=[(number, one.context_tokens, one.generated_tokens) for number, one in requests]
    )
    # Independent of the portal's code: PostgreSQL's round() is half up on numeric, too.
    expected = await till.inspector.fetch(
        "SELECT (ARRAY['gpt-x', 'trace-dear', 'trace-cheap'])[number % 3 + 1] AS model_id, count(*) AS requests, "
        "sum(round((context_tokens / 1000000.0 + generated_tokens / 250000.0) * (ARRAY[1, 2.5, 0.1234])[number % 3 + 1], 6)) AS credits, "
        "sum(context_tokens) AS read, sum(generated_tokens) AS written FROM azure_trace GROUP BY 1 ORDER BY 1"
    )
    for table, count, credited, condition in (
        ("credit_usage", "count(*)", "credits_consumed", ""),
        ("credit_transactions", "count(DISTINCT request_id)", "-amount", "AND transaction_type = 'consumption'"),
        ("usage_rollups", "sum(requests)", "credits", ""),
    ):
        booked = await till.inspector.fetch(
            f"SELECT model_id, {count}, sum({credited}), sum(input_tokens), sum(output_tokens) FROM {table} "
            f"WHERE pool_id = $1 {condition} GROUP BY 1 ORDER BY 1",
            till.pool_id,
        )
        assert [tuple(row) for row in booked] == [tuple(row) for row in expected]
    await till.inspector.execute("DROP TABLE azure_trace")
    total = sum(row["credits"] for row in expected)
    pool = await till.pool()
    assert pool["balance_available"] + pool["balance_reserved"] == Decimal("100001.5") - total
