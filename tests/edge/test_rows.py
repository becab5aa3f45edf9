"""Objects made of rows are answered by the fast path as by graphql-core, whatever stands in the rows."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import strawberry
from graphql import ExecutionResult, parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.auth.actor import Actor, Membership
from app.rules.permissions import ALL_PERMISSIONS, Permission, Role
from app.tenancy import ActorKind
from graphql_schema.executor import LeafExecutor, Shared
from graphql_schema.members import MEMBER, MemberStatus, PoolMember
from graphql_schema.rows import Rows
from graphql_schema.selections import Lasting
from graphql_schema.transactions import TRANSACTION, CreditTransaction
from graphql_schema.viewpoints import Viewpoint

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # the night in which Berlin's clocks go forward
POOL, ME = uuid4(), uuid4()


@strawberry.type
class Query:
    @strawberry.field
    def members(self, info: strawberry.Info) -> list[PoolMember]:
        return info.context["members"]  # type: ignore[no-any-return]

    @strawberry.field
    def entries(self, info: strawberry.Info) -> list[CreditTransaction] | None:
        return info.context["entries"]  # type: ignore[no-any-return]


SCHEMA = strawberry.Schema(query=Query, execution_context_class=LeafExecutor)._schema
DOCUMENT = parse("""{
  members { __typename key: id role status permissions joinedAt lastActiveAt viewerCanUpdate user { id email displayName again: email }
    limits { dailyCredits monthlyCredits maxCreditsPerRequest }
    usage { today thisWeek thisMonth allTime remainingToday remainingThisMonth } }
  entries { id sequence kind bucket amount balanceAfter user { __typename id email } modelId inputTokens outputTokens description
    createdAt }
}""")

amounts = st.decimals(0, 1000, places=6).map(str)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001
    lambda at: at.isoformat().rstrip("0") if at.microsecond else at.isoformat()  # as PostgreSQL's JSON has it
)
ids = st.uuids().map(str)
members = st.fixed_dictionaries(
    {
        "id": ids,
        "pool_id": st.just(str(POOL)),
        "user_id": st.sampled_from([str(ME), str(uuid4())]),
        "email": st.emails(),
        "display_name": st.text(max_size=20),
        "role": st.sampled_from([one.value for one in Role]),
        "status": st.sampled_from([one.value for one in MemberStatus]),
        "permissions": st.fixed_dictionaries({one.value: st.booleans() for one in Permission}).map(
            lambda flags: orjson.dumps(flags).decode()
        ),
        "daily_credit_limit": st.none() | amounts,
        "monthly_credit_limit": st.none() | amounts,
        "max_cost_per_request": st.none() | amounts,
        "held_credits": amounts,
        "usage_on": st.none()
        | st.sampled_from([str(date(2026, 3, 29) - timedelta(days=one)) for one in (0, 1, 6, 7, 28, 29)]),
        "usage_today": amounts,
        "usage_this_week": amounts,
        "usage_this_month": amounts,
        "usage_all_time": amounts,
        "last_usage_at": st.none() | moments,
        "joined_at": st.none() | moments,
    }
)
entries = st.fixed_dictionaries(
    {
        "id": ids,
        "sequence": st.integers(1, 2**62),
        "transaction_type": st.sampled_from(["consumption", "purchase", "refund"]),
        "source_type": st.sampled_from(["included", "bonus", "purchased"]),
        "amount": amounts,
        "balance_after": amounts,
        "user_id": st.none() | ids,
        "email": st.emails(),
        "display_name": st.text(max_size=20),
        "model_id": st.none() | st.text(max_size=20),
        "input_tokens": st.none() | st.integers(0, 2**31 - 1),
        "output_tokens": st.none() | st.integers(0, 2**31 - 1),
        "description": st.none() | st.text(max_size=20),
        "created_at": moments,
    }
)


def viewpoint(role: Role | None, permissions: frozenset[Permission] = ALL_PERMISSIONS) -> Viewpoint:
    memberships = () if role is None else (Membership(uuid4(), POOL, role, permissions, active=True),)
    return Viewpoint(Actor(ActorKind.USER, uuid4(), ME, memberships), POOL, NOW, "Europe/Berlin")


def answered(rows: dict[str, Any], executor_class: type[Any], **more: Any) -> bytes:
    made = executor_class.build(
        SCHEMA, DOCUMENT, context_value=rows, is_awaitable=optimized_is_awaitable, operation_extensions=None, **more
    )
    result = made.execute_operation()
    assert isinstance(result, ExecutionResult), asyncio.iscoroutine(result)
    errors = [error.formatted for error in result.errors or ()]
    return orjson.dumps({"data": result.data, "errors": errors})


def check_alike(viewed: Viewpoint, member_rows: list[dict[str, Any]], entry_rows: list[dict[str, Any]]) -> bytes:
    rows = {"members": Rows(MEMBER, member_rows, viewed), "entries": Rows(TRANSACTION, entry_rows, viewed)}
    shared = Shared()
    by_core = answered(rows, StrawberryGraphQLCoreExecutionContext)
    assert [answered(rows, LeafExecutor, shared=shared) for _ in range(2)] == [by_core] * 2
    return by_core


@given(
    st.sampled_from([None, *Role]),
    st.frozensets(st.sampled_from(Permission)),
    st.lists(members, max_size=3),
    st.lists(entries, max_size=3),
)
def test_every_row_is_answered_alike(
    role: Role | None,
    permissions: frozenset[Permission],
    member_rows: list[dict[str, Any]],
    entry_rows: list[dict[str, Any]],
) -> None:
    check_alike(viewpoint(role, permissions), member_rows, entry_rows)


def a_member(**columns: Any) -> dict[str, Any]:
    return {
        "id": str(UUID(int=1)), "pool_id": str(POOL), "user_id": str(ME), "email": "mia@rivera.example", "display_name": "Mia",
        "role": "member", "status": "active", "permissions": "{}", "daily_credit_limit": "1.000000", "monthly_credit_limit": None,
        "max_cost_per_request": None, "held_credits": "0.100000", "usage_on": "2026-03-29", "usage_today": "0.250000",
        "usage_this_week": "0.500000", "usage_this_month": "2.000000", "usage_all_time": "3.000000",
        "last_usage_at": "2026-03-29T00:30:00", "joined_at": None,
    } | columns  # fmt: skip


def test_a_null_that_may_not_be_is_worded_by_graphql_core() -> None:
    answer = orjson.loads(check_alike(viewpoint(Role.OWNER), [a_member(), a_member(email=None)], []))
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["members", 1, "user", "email"]


def test_whose_figures_they_are_not_are_hidden() -> None:
    viewed = viewpoint(Role.MEMBER, frozenset())
    answer = orjson.loads(check_alike(viewed, [a_member(), a_member(user_id=str(uuid4()))], []))
    assert [one["usage"] is not None for one in answer["data"]["members"]] == [True, False]
    assert [one["lastActiveAt"] is not None for one in answer["data"]["members"]] == [True, False]


def test_rows_are_a_list_of_objects_to_everybody_else() -> None:
    viewed = viewpoint(Role.OWNER)
    rows = Rows(MEMBER, [a_member(), a_member(id=str(UUID(int=2)))], viewed)
    assert len(rows) == 2
    assert rows[0] is next(iter(rows))
    assert rows[1].limits.daily_credits == Decimal(1)
    assert rows[1].usage is not None
    assert rows[1].usage.remaining_today == Decimal("0.65")


def test_what_lasts_is_completed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    viewed = viewpoint(Role.OWNER)
    lasting = Lasting([MEMBER.build(a_member(), viewed)])
    rows, shared = {"members": lasting, "entries": None}, Shared()
    first = answered(rows, LeafExecutor, shared=shared)
    monkeypatch.setattr(PoolMember, "role", property(lambda _: pytest.fail("read again")), raising=False)
    assert answered(rows, LeafExecutor, shared=shared) == first
