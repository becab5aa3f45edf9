"""Spending as callers see it: who may call, and the way of their commands to the pools' lanes."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import select

from app.auth.actor import Principal, ServicePrincipal, Session, acting
from app.rules.consumption import Figures, ModelRate, RequestType
from app.rules.errors import Forbidden, NotFound
from app.rules.spending_gate import SpendLimit, TierCaps
from app.services.catalogue import CatalogueCache
from app.services.spending.books import WRITE_SCOPE
from app.services.spending.commands import Command, Expire, Reserve
from app.services.spending.decisions import PriceBook
from app.services.spending.lanes import Answer, Call, Flush, Lanes
from app.tenancy import ActorKind, Database, Scope
from models.reservations import CreditReservation

_MAX_KNOWN_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a request would cost (credits) and how every limit stands for it."""

    credits: Decimal
    limits: list[SpendLimit]

    @property
    def allowed(self) -> bool:
        return not any(limit.blocks for limit in self.limits)


class Spending:
    """The spending service of one process."""

    def __init__(self, database: Database, catalogue: CatalogueCache) -> None:
        self._database = database
        self._catalogue = catalogue
        self._prices = PriceBook({}, {})
        self._caps: dict[str, TierCaps] = {}
        self._flush = Flush(database, self._caps_of, lambda: self._prices)
        self._lanes = Lanes(self._flush)
        self._known_keys: set[ServicePrincipal] = set()

    async def submit(self, principal: Principal, commands: Sequence[tuple[UUID, Command]]) -> list[Answer]:
        """The answers to (pool, command) pairs, in order, each after its pool's commit. Raises Unauthenticated or Forbidden.

        Refusals are answers: one item's refusal never spoils the others. Pools commit apart from each other.
        """
        key, user_id = await self._admit(principal)
        await self._refresh()
        by_pool: dict[UUID, list[int]] = defaultdict(list)
        for index, (pool_id, _) in enumerate(commands):
            by_pool[pool_id].append(index)
        calls = [
            self._lanes.submit(principal.tenant_id, pool_id, Call([commands[i][1] for i in indexes], key, user_id))
            for pool_id, indexes in by_pool.items()
        ]
        answers: list[Answer] = [None] * len(commands)
        for indexes, answered in zip(by_pool.values(), await asyncio.gather(*calls), strict=True):
            for index, answer in zip(indexes, answered, strict=True):
                answers[index] = answer
        return answers

    async def quote(self, session: Session, pool_id: UUID, command: Reserve) -> Quoted:
        """What a request would cost, and whether it would pass, without taking anything. Raises NotFound or Invalid."""
        if not session.actor.sees(pool_id) and session.actor.user_id is not None:
            raise NotFound("pool", path=("poolId",))
        await self._refresh()
        async with session.tx.driver() as connection:
            decisions = await self._flush.read(connection, session.tx.tenant_id, pool_id, [command], for_update=False)
        decisions.expire()
        priced, limits = decisions.quote(command)
        return Quoted(priced.credits, limits)

    async def check(
        self, session: Session, pool_id: UUID, user_id: UUID, model_id: str, credits: Decimal
    ) -> list[SpendLimit]:
        """Every limit as it stands for a spend of so many credits by this member now. Raises NotFound."""
        await self._refresh()
        asked = Reserve(user_id, uuid4(), RequestType.TEXT, model_id, Figures())
        async with session.tx.driver() as connection:
            decisions = await self._flush.read(connection, session.tx.tenant_id, pool_id, [asked], for_update=False)
        decisions.expire()
        return decisions.limits(user_id, model_id, credits)

    async def expire(self, tenant_id: UUID, pool_id: UUID) -> None:
        """Give back the pool's overdue holds."""
        await self._refresh()
        await self._lanes.submit(tenant_id, pool_id, Call([Expire()]))

    async def pool_of(self, tenant_id: UUID, request_id: UUID) -> UUID | None:
        """In which pool a request_id has taken its hold."""
        async with self._database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            found: UUID | None = await tx.scalar(
                select(CreditReservation.pool_id).where(
                    CreditReservation.tenant_id == tenant_id, CreditReservation.request_id == request_id
                )
            )
        return found

    async def _admit(self, principal: Principal) -> tuple[ServicePrincipal | None, UUID | None]:
        """Who calls. A key that was good once is not asked for again here: every flush checks it, under the pool's lock."""
        if isinstance(principal, ServicePrincipal) and principal in self._known_keys:
            return principal, None
        async with acting(self._database, principal, read_only=True) as session:
            if not isinstance(principal, ServicePrincipal):
                return None, session.actor.user_id
            if WRITE_SCOPE not in session.actor.scopes:
                raise Forbidden(f"This API key lacks the scope {WRITE_SCOPE}.")
        if len(self._known_keys) >= _MAX_KNOWN_KEYS:
            self._known_keys.clear()
        self._known_keys.add(principal)
        return principal, None

    async def _refresh(self) -> None:
        """Prices and caps as the catalogue has them, at most ten seconds old."""
        catalogue = await self._catalogue.current()
        if catalogue.model_prices is not self._prices_of:
            self._prices_of = catalogue.model_prices
            self._prices = PriceBook(
                {
                    one.model_id: ModelRate(one.credit_rate_multiplier, one.cached_input_rate)
                    for one in catalogue.model_prices
                },
                {one.model_id: one.provider_id for one in catalogue.model_prices},
            )
            self._caps = {
                tier.id: TierCaps(
                    models_per_month=tier.features["maxModelsPerMonth"],
                    requests_per_day=tier.features["maxRequestsPerDay"],
                    tokens_per_request=tier.features["maxTokensPerRequest"],
                    concurrent_requests=tier.concurrent_requests,
                    requests_per_minute=tier.requests_per_minute,
                    tokens_per_minute=tier.tokens_per_minute,
                )
                for tier in catalogue.tiers
            }

    _prices_of: object = None

    def _caps_of(self, tier_id: str | None) -> TierCaps:
        """The caps of a pool's tier; a pool without a subscription has those of FREE."""
        return self._caps[tier_id or "FREE"]
