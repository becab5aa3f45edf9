"""The executor's fast path against graphql-core alone, on a document like the dashboard's: 7 tiers, 25 members, 20 transactions.

Documents a second of processor time, with (ours) and without (peer), for execution alone: parsed and validated before.
"""

import asyncio
import time
from decimal import Decimal

import orjson
import strawberry
from graphql import parse, validate
from graphql.execution import Executor
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from bench.figures import Figure, keep
from bench.world import World
from graphql_schema.executor import LeafExecutor, Shared

TARGET = 1.5
ROUNDS, DOCUMENTS = 7, 40


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Money:
    amount: Decimal
    currency: str


@strawberry.type
class Pricing:
    monthly: Money | None
    annual: Money | None
    per_user: bool


@strawberry.type
class Tier(Node):
    name: str
    pricing: Pricing
    formats: list[str]
    models: int | None
    requests: int | None


@strawberry.type
class User(Node):
    email: str
    display_name: str


@strawberry.type
class Member(Node):
    user: User
    role: str
    daily: Decimal | None
    monthly: Decimal | None

    @strawberry.field
    def viewer_can_update(self) -> bool:
        return True


@strawberry.type
class Transaction(Node):
    kind: str
    amount: Decimal
    balance_after: Decimal
    sequence: str
    user: User


@strawberry.type
class Members:
    nodes: list[Member]
    total: int


@strawberry.type
class Transactions:
    nodes: list[Transaction]


@strawberry.type
class Pool(Node):
    name: str

    @strawberry.field
    async def members(self, first: int) -> Members:
        user = User(id=strawberry.ID("u"), email="a@example.com", display_name="Somebody")
        made = [
            Member(id=strawberry.ID(str(n)), user=user, role="member", daily=Decimal("1.5"), monthly=None)
            for n in range(first)
        ]
        return Members(nodes=made, total=first)

    @strawberry.field
    async def transactions(self, first: int) -> Transactions:
        user = User(id=strawberry.ID("u"), email="a@example.com", display_name="Somebody")
        made = [
            Transaction(
                id=strawberry.ID(str(n)), kind="consumption", amount=Decimal("-1.25"), balance_after=Decimal("98.75"),
                sequence=str(n), user=user,
            )
            for n in range(first)
        ]  # fmt: skip
        return Transactions(nodes=made)


@strawberry.type
class Query:
    @strawberry.field
    async def tiers(self) -> list[Tier]:
        price = Pricing(
            monthly=Money(amount=Decimal("25.00"), currency="USD"),
            annual=Money(amount=Decimal("250.00"), currency="USD"),
            per_user=True,
        )
        return [
            Tier(id=strawberry.ID(str(n)), name="Team", pricing=price, formats=["csv", "json"], models=None, requests=9)
            for n in range(7)
        ]

    @strawberry.field
    async def pool(self) -> Pool:
        return Pool(id=strawberry.ID("p"), name="Pool")


DASHBOARD = """{
  tiers { id name pricing { monthly { amount currency } annual { amount currency } perUser } formats models requests }
  pool { id name
    members(first: 25) { total nodes { id role daily monthly viewerCanUpdate user { id email displayName } } }
    transactions(first: 20) { nodes { id kind amount balanceAfter sequence user { id email displayName } } } }
}"""


async def measure() -> tuple[float, float]:
    schema = strawberry.Schema(Query)._schema  # noqa: SLF001
    document = parse(DASHBOARD)
    assert not validate(schema, document)

    shared = {LeafExecutor: {"shared": Shared()}}  # as the server keeps it with the document

    async def answer(executor_class: type[Executor]) -> bytes:
        more = shared.get(executor_class, {})
        executor = executor_class.build(
            schema, document, is_awaitable=optimized_is_awaitable, operation_extensions=None, **more
        )
        return orjson.dumps((await executor.execute_operation()).data)

    async def seconds(executor_class: type[Executor]) -> float:
        started = time.process_time()
        for _ in range(DOCUMENTS):
            await answer(executor_class)
        return time.process_time() - started

    peer = StrawberryGraphQLCoreExecutionContext
    assert await answer(LeafExecutor) == await answer(peer)
    best = {kind: min([await seconds(kind) for _ in range(ROUNDS)]) for kind in (LeafExecutor, peer)}
    return DOCUMENTS / best[LeafExecutor], DOCUMENTS / best[peer]


def bench(_: World) -> list[Figure]:
    """Documents a second of processor time."""
    ours, theirs = asyncio.run(measure())
    about = "execution alone, without a database, against graphql-core's executor under Strawberry"
    figure = Figure("executor", f"{ours:.0f}/s", f"{theirs:.0f}/s", ours / theirs, TARGET, about)
    keep("executor", [figure], {})
    return [figure]
