"""Loaders: typed attributes named for what they give and by what key. The number of statements never grows with the rows.

Connections are loaded by (pool, first, after): one statement for all pools of an operation that ask for the same page size.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record
from strawberry.dataloader import DataLoader

from app.auth.actor import Actor
from app.payments.outcomes import PaymentMethod
from app.rules.errors import NotFound, PaymentsUnavailable
from app.rules.permissions import Permission
from app.rules.pricing import Band
from app.rules.purchase_progress import Moment
from app.services import price_bands
from app.tenancy import Read
from graphql_schema import statements
from graphql_schema.auto_purchase import AutoPurchaseSettings, as_auto_purchase
from graphql_schema.context import Context
from graphql_schema.members import MEMBER, PoolMember, PoolMemberConnection
from graphql_schema.node import to_id
from graphql_schema.pages import PageKey, only_of, sequence_of, time_and_id_of
from graphql_schema.pagination import check_first, encode_cursor, page
from graphql_schema.pools import CreditPool, as_pool
from graphql_schema.purchases import (
    CreditPurchase,
    CreditPurchaseConnection,
    PurchaseMoment,
    as_moment,
    as_purchase,
)
from graphql_schema.refunds import Dispute, Refund, as_dispute, as_refund
from graphql_schema.rows import Row, Rows, as_time
from graphql_schema.subscriptions import Subscription
from graphql_schema.transactions import TRANSACTION, CreditTransaction, CreditTransactionConnection
from graphql_schema.viewpoints import Viewpoint

_MOMENTS = [f"purchase.{moment}" for moment in Moment]

PageRows = Callable[[Actor, list[PageKey]], dict[str, Any]]


class Loaders:
    """The loaders of one operation, on its read transaction."""

    # Each is made when it is first asked for: an operation uses two or three of them.
    pool_by_id = cached_property[DataLoader[UUID, CreditPool | None]](
        lambda self: DataLoader(self._pools, loop=self._loop)
    )
    auto_purchase_by_pool = cached_property[DataLoader[UUID, AutoPurchaseSettings]](
        lambda self: DataLoader(self._auto_purchases, loop=self._loop)
    )
    member_by_id = cached_property[DataLoader[UUID, PoolMember | None]](
        lambda self: DataLoader(self._members, loop=self._loop)
    )
    member_by_pool_user = cached_property[DataLoader[tuple[UUID, UUID], PoolMember | None]](
        lambda self: DataLoader(self._members_by_user, loop=self._loop)
    )
    members_by_pool = cached_property[DataLoader[PageKey, PoolMemberConnection]](
        lambda self: DataLoader(self._member_pages, loop=self._loop)
    )
    member_count_by_pool = cached_property[DataLoader[UUID, int]](
        lambda self: DataLoader(self._member_counts, loop=self._loop)
    )
    seats_by_pool = cached_property[DataLoader[UUID, tuple[int, int]]](
        lambda self: DataLoader(self._seats, loop=self._loop)
    )
    transactions_by_pool = cached_property[DataLoader[PageKey, CreditTransactionConnection]](
        lambda self: DataLoader(self._transaction_pages, loop=self._loop)
    )
    purchases_by_pool = cached_property[DataLoader[PageKey, CreditPurchaseConnection]](
        lambda self: DataLoader(self._purchase_pages, loop=self._loop)
    )
    moments_by_purchase = cached_property[DataLoader[UUID, list[PurchaseMoment]]](
        lambda self: DataLoader(self._moments, loop=self._loop)
    )
    refunds_by_purchase = cached_property[DataLoader[UUID, list[Refund]]](
        lambda self: DataLoader(self._refunds, loop=self._loop)
    )
    # Of Stripe; the page and the settings of automatic purchases in it ask once.
    cards_by_customer = cached_property[DataLoader[str, list[PaymentMethod]]](
        lambda self: DataLoader(self._cards, loop=self._loop)
    )
    disputes_by_purchase = cached_property[DataLoader[UUID, list[Dispute]]](
        lambda self: DataLoader(self._disputes, loop=self._loop)
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()  # looked up by each loader otherwise
        self._bands: tuple[Band, ...] = ()
        self._bands_turn = asyncio.Lock()

    async def price_bands(self) -> tuple[Band, ...]:
        """The price bands in force at the operation's instant, read once for all its quotes."""
        session = await self._context.session()
        async with self._bands_turn:
            self._bands = self._bands or await price_bands.current(session.tx)
        return self._bands

    async def root_pool(self, pool_id: UUID) -> CreditPool | None:
        """The pool that a document asks for at its root. Pages that are read with it are put where their loaders look."""
        session = await self._context.session()
        ahead = self._context.ahead
        if ahead is None or ahead.pool_id != pool_id:
            return await self.pool_by_id.load(pool_id)
        rows: Sequence[Record] | None = session.opened_with
        if rows is None:  # the actor is not who acted last time
            _, rows = await self._rows(ahead.statement, user=None, subject="", **ahead.parameters(session.actor))
        row = rows[0]
        if row["id"] is None or not session.actor.sees(pool_id):
            return None
        loaders: dict[str, DataLoader[PageKey, Any]] = {
            "members": self.members_by_pool,
            "transactions": self.transactions_by_pool,
        }
        for one in ahead.pages:
            loaders[one.connection].prime(one.key, one.built(row))
        pool = as_pool(row, session.actor, self._context.now)
        self.pool_by_id.prime(pool_id, pool)
        return pool

    async def pool(self, pool_id: UUID) -> CreditPool:
        """A pool that is known to exist for the viewer. Raises NotFound otherwise."""
        found = await self.pool_by_id.load(pool_id)
        if found is None:
            raise NotFound("pool")
        return found

    async def transaction(self, entry_id: UUID) -> CreditTransaction | None:
        """One ledger entry that the viewer may see."""
        session = await self._context.session()
        row = await session.tx.read_one(statements.TRANSACTION, tenant=session.tx.tenant_id, id=entry_id)
        own = row is not None and row["user_id"] is not None and row["user_id"] == session.actor.user_id
        if row is None or not (own or session.actor.can(row["pool_id"], Permission.VIEW_OTHER_USAGE)):
            return None
        return TRANSACTION.build(
            orjson.loads(row["entry"]), Viewpoint(session.actor, row["pool_id"], self._context.now)
        )

    async def purchase(self, purchase_id: UUID) -> CreditPurchase | None:
        """One purchase: the viewer's own, or one of a pool whose balance they may see."""
        session = await self._context.session()
        row = await session.tx.read_one(statements.PURCHASE, tenant=session.tx.tenant_id, id=purchase_id)
        if row is None or not session.actor.sees_purchase(row["pool_id"], row["user_id"]):
            return None
        return as_purchase(row)

    async def refund(self, refund_id: UUID) -> Refund | None:
        """One refund; row level security says of which pools. Whether its purchase is the viewer's to see, `node` asks."""
        session = await self._context.session()
        row = await session.tx.read_one(statements.REFUND, tenant=session.tx.tenant_id, id=refund_id)
        return as_refund(row) if row else None

    async def visible_refund(self, refund_id: UUID) -> Refund | None:
        """One refund of a purchase that the viewer may see."""
        found = await self.refund(refund_id)
        return found if found is not None and await self.purchase(found.purchase_key) is not None else None

    async def visible_dispute(self, dispute_id: UUID) -> Dispute | None:
        """One dispute of a purchase that the viewer may see."""
        session = await self._context.session()
        row = await session.tx.read_one(statements.DISPUTE, tenant=session.tx.tenant_id, id=dispute_id)
        return as_dispute(row) if row and await self.purchase(row["purchase_id"]) is not None else None

    async def subscription(self, subscription_id: UUID) -> Subscription | None:
        """The live subscription of a pool that the viewer belongs to."""
        session = await self._context.session()
        row = await session.tx.read_one(statements.SUBSCRIPTION_POOL, tenant=session.tx.tenant_id, id=subscription_id)
        pool = await self.pool_by_id.load(row["credit_pool_id"]) if row else None
        found = pool.subscription if pool else None
        return found if found is not None and found.id == to_id("Subscription", subscription_id) else None

    async def _rows(self, statement: Read, **parameters: Any) -> tuple[Actor, Sequence[Record]]:
        session = await self._context.session()
        return session.actor, await session.tx.read(statement, tenant=session.tx.tenant_id, **parameters)

    async def _pools(self, ids: list[UUID]) -> list[CreditPool | None]:
        actor, rows = await self._rows(statements.POOLS, pools=ids)
        found = {row["id"]: as_pool(row, actor, self._context.now) for row in rows if actor.sees(row["id"])}
        return [found.get(pool_id) for pool_id in ids]

    async def _auto_purchases(self, pools: list[UUID]) -> list[AutoPurchaseSettings]:
        actor, rows = await self._rows(statements.AUTO_PURCHASES, pools=pools)
        found = {row["pool"]: as_auto_purchase(row, actor, self._context.now) for row in rows}
        return [found[pool] for pool in pools]

    async def _members(self, ids: list[UUID]) -> list[PoolMember | None]:
        actor, rows = await self._rows(statements.MEMBERS, members=ids)
        found = {row["id"]: self._member(row, actor) for row in rows if actor.sees(row["pool_id"])}
        return [found.get(member_id) for member_id in ids]

    async def _members_by_user(self, keys: list[tuple[UUID, UUID]]) -> list[PoolMember | None]:
        actor, rows = await self._rows(
            statements.MEMBERS_BY_USER, pools=[pool for pool, _ in keys], users=[user for _, user in keys]
        )
        found = {(row["pool_id"], row["user_id"]): self._member(row, actor) for row in rows}
        return [found.get(key) for key in keys]

    def _member(self, row: Record, actor: Actor) -> PoolMember:
        viewpoint = Viewpoint(actor, row["pool_id"], self._context.now, row["time_zone"])
        return MEMBER.build(orjson.loads(row["member"]), viewpoint)

    async def _member_counts(self, pools: list[UUID]) -> list[int]:
        _, rows = await self._rows(statements.MEMBER_COUNTS, pools=pools)
        found = {row["pool_id"]: row["members"] for row in rows}
        return [found.get(pool, 0) for pool in pools]

    async def _seats(self, pools: list[UUID]) -> list[tuple[int, int]]:
        _, rows = await self._rows(statements.SEATS, pools=pools)
        found = {row["pool_id"]: (row["used"], row["pending"]) for row in rows}
        return [found[pool] for pool in pools]

    async def _member_pages(self, keys: list[PageKey]) -> list[PoolMemberConnection]:
        def parameters(_: Actor, asked: list[PageKey]) -> dict[str, Any]:
            return _after_time_and_id("members", asked)

        def build(actor: Actor, key: PageKey, rows: list[Record]) -> PoolMemberConnection:
            time_zone = rows[0]["time_zone"] if rows else "UTC"
            return page(
                PoolMemberConnection,
                _of_json(rows),
                key[1],
                after=key[2] is not None,
                nodes=lambda shown: Rows(MEMBER, shown, Viewpoint(actor, key[0], self._context.now, time_zone)),
                cursor=lambda row: encode_cursor("members", as_time(row["created_at"]), row["id"]),
                pool_key=key[0],
            )

        return await self._pages(statements.MEMBER_PAGES, keys, parameters, build)

    async def _transaction_pages(self, keys: list[PageKey]) -> list[CreditTransactionConnection]:
        def parameters(actor: Actor, asked: list[PageKey]) -> dict[str, Any]:
            after = [sequence_of(cursor) for _, _, cursor in asked]
            return {"after_sequences": after, "own": [only_of(actor, pool) for pool, _, _ in asked]}

        def build(actor: Actor, key: PageKey, rows: list[Record]) -> CreditTransactionConnection:
            return page(
                CreditTransactionConnection,
                _of_json(rows),
                key[1],
                after=key[2] is not None,
                nodes=lambda shown: Rows(TRANSACTION, shown, Viewpoint(actor, key[0], self._context.now)),
                cursor=lambda row: encode_cursor("transactions", str(row["sequence"])),
            )

        return await self._pages(statements.TRANSACTION_PAGES, keys, parameters, build)

    async def _purchase_pages(self, keys: list[PageKey]) -> list[CreditPurchaseConnection]:
        def parameters(actor: Actor, asked: list[PageKey]) -> dict[str, Any]:
            own = [None if actor.can(pool, Permission.VIEW_POOL_BALANCE) else actor.user_id for pool, _, _ in asked]
            return {**_after_time_and_id("purchases", asked), "own": own}

        def build(_: Actor, key: PageKey, rows: list[Record]) -> CreditPurchaseConnection:
            return page(
                CreditPurchaseConnection,
                rows,
                key[1],
                after=key[2] is not None,
                nodes=lambda shown: [as_purchase(row) for row in shown],
                cursor=lambda row: encode_cursor("purchases", row["created_at"].isoformat(), row["id"]),
            )

        return await self._pages(statements.PURCHASE_PAGES, keys, parameters, build)

    async def _moments(self, purchases: list[UUID]) -> list[list[PurchaseMoment]]:
        _, rows = await self._rows(statements.PURCHASE_MOMENTS, purchases=purchases, types=_MOMENTS)
        found: dict[UUID, list[PurchaseMoment]] = defaultdict(list)
        for row in rows:
            found[row["purchase_id"]].append(as_moment(row))
        return [found[purchase_id] for purchase_id in purchases]

    async def _refunds(self, purchases: list[UUID]) -> list[list[Refund]]:
        _, rows = await self._rows(statements.REFUNDS, purchases=purchases)
        found: dict[UUID, list[Refund]] = defaultdict(list)
        for row in rows:
            found[row["purchase_id"]].append(as_refund(row))
        return [found[purchase_id] for purchase_id in purchases]

    async def _disputes(self, purchases: list[UUID]) -> list[list[Dispute]]:
        _, rows = await self._rows(statements.DISPUTES, purchases=purchases)
        found: dict[UUID, list[Dispute]] = defaultdict(list)
        for row in rows:
            found[row["purchase_id"]].append(as_dispute(row))
        return [found[purchase_id] for purchase_id in purchases]

    async def _cards(self, customers: list[str]) -> list[list[PaymentMethod] | BaseException]:
        """One after the other: an operation takes one of the places in which Stripe is asked."""
        found: list[list[PaymentMethod] | BaseException] = []
        for customer_id in customers:
            try:
                found.append(await self._context.services.payment_methods.lists.cards(customer_id))
            except PaymentsUnavailable as refusal:
                found.append(refusal)
        return found

    async def _pages(
        self,
        statement: Read,
        keys: list[PageKey],
        parameters: PageRows,
        build: Callable[[Actor, PageKey, list[Record]], Any],
    ) -> list[Any]:
        """Load the pages of all keys: one statement for each page size that the document names."""
        actor = (await self._context.session()).actor
        # A pool stands once in a statement: further pages of it (the document's aliases) go into further statements.
        batches: dict[tuple[int, int], list[PageKey]] = defaultdict(list)
        seen: Counter[tuple[int, UUID]] = Counter()
        for key in keys:
            pool, first, _ = key
            batches[check_first(first), seen[first, pool]].append(key)
            seen[first, pool] += 1
        built: dict[PageKey, Any] = {}
        for (first, _), asked in batches.items():
            pools = [pool for pool, _, _ in asked]
            _, rows = await self._rows(statement, pools=pools, rows=first + 1, **parameters(actor, asked))
            by_pool: dict[UUID, list[Record]] = defaultdict(list)
            for row in rows:
                by_pool[row["pool_id"]].append(row)
            built.update({key: build(actor, key, by_pool[key[0]]) for key in asked})
        return [built[key] for key in keys]


def _of_json(found: list[Record]) -> list[Row]:
    """The rows of a page that came as one text; nothing, where the pool is not to be seen or the page is empty."""
    return orjson.loads(found[0]["page"] or "[]") if found else []


def _after_time_and_id(connection: str, asked: list[PageKey]) -> dict[str, Any]:
    after = [time_and_id_of(connection, cursor) for _, _, cursor in asked]
    return {"after_times": [at for at, _ in after], "after_ids": [key for _, key in after]}
