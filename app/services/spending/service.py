"""Spending as callers see it: who may call, and the way of their commands to the pools' lanes."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from app.auth.actor import Actor, Principal, ServicePrincipal, Session, acting
from app.rules.consumption import Figures, ModelRate, RequestType
from app.rules.errors import Forbidden, NotFound
from app.rules.spending_gate import SpendLimit, TierCaps
from app.services.catalogue import CatalogueCache
from app.services.spending import reading
from app.services.spending.commands import Command, Expire, Reservation, Reserve
from app.services.spending.decisions import Decisions, PriceBook, as_reservation
from app.services.spending.lanes import Answer, Call, Flush, Lanes
from app.services.spending.reading import WRITE_SCOPE
from app.tenancy import ActorKind, Database

READ_SCOPE = "usage:read"  # of app/auth/api_keys.py
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
        key, actor = await self._admit(principal)
        await self._refresh()
        answers: list[Answer] = [None] * len(commands)
        by_pool: dict[UUID, list[int]] = defaultdict(list)
        for index, (pool_id, _) in enumerate(commands):
            if actor is not None and actor.membership(pool_id) is None:
                answers[index] = NotFound("pool", path=("poolId",))
            else:
                by_pool[pool_id].append(index)
        user_id = actor.user_id if actor else None
        calls = [
            self._lanes.submit(principal.tenant_id, pool_id, Call([commands[i][1] for i in indexes], key, user_id))
            for pool_id, indexes in by_pool.items()
        ]
        if len(calls) == 1:
            outcomes: list[list[Answer] | BaseException] = [await calls[0]]
        else:
            outcomes = await asyncio.gather(*calls, return_exceptions=True)  # no pool is left behind under way
        for indexes, outcome in zip(by_pool.values(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            for index, answer in zip(indexes, outcome, strict=True):
                answers[index] = answer
        return answers

    async def quote(self, session: Session, pool_id: UUID, command: Reserve) -> Quoted:
        """What a request would cost, and whether it would pass, without taking anything. Raises NotFound, Forbidden or Invalid."""
        decisions = await self._look(session, pool_id, command)
        priced, limits = decisions.quote(command)
        return Quoted(priced.credits, limits)

    async def check(
        self, session: Session, pool_id: UUID, user_id: UUID, model_id: str | None, credits: Decimal
    ) -> list[SpendLimit]:
        """Every limit as it stands for a spend of so many credits by this member now. Raises NotFound."""
        asked = Reserve(user_id, uuid4(), RequestType.TEXT, model_id or "", Figures())
        decisions = await self._look(session, pool_id, asked)
        return decisions.limits(user_id, model_id, credits)

    async def reservation(self, session: Session, reference: UUID) -> Reservation | None:
        """A reservation by its request_id or its id, as far as the actor sees it: what became of a call that was never answered."""
        _require_scope(session.actor, WRITE_SCOPE, READ_SCOPE)
        async with session.tx.driver() as connection:
            found = await reading.find(connection, session.tx.tenant_id, reference)
        return as_reservation(*found) if found else None

    async def _look(self, session: Session, pool_id: UUID, command: Reserve) -> Decisions:
        """The pool's books as they would stand for a spend now. The actor sees the pool; the limits count what everybody spends."""
        actor, served = session.actor, session.tx.scope.member_pools
        _require_scope(actor, WRITE_SCOPE)
        if (served or actor.user_id is not None) and pool_id not in served:
            raise NotFound("pool", path=("poolId",))
        await self._refresh()
        async with session.tx.as_worker() as connection:
            decisions = await self._flush.look(connection, session.tx.tenant_id, pool_id, command)
        decisions.expire()
        return decisions

    async def expire(self, tenant_id: UUID, pool_id: UUID) -> None:
        """Give back overdue holds of the pool, as many as one flush takes."""
        await self._refresh()
        await self._lanes.submit(tenant_id, pool_id, Call([Expire()]))

    async def _admit(self, principal: Principal) -> tuple[ServicePrincipal | None, Actor | None]:
        """Who calls. A key that was good once is not asked for again here: every flush reads it anew, as it is when the flush begins."""
        if isinstance(principal, ServicePrincipal) and principal in self._known_keys:
            return principal, None
        async with acting(self._database, principal, read_only=True) as session:
            if not isinstance(principal, ServicePrincipal):
                return None, session.actor
            _require_scope(session.actor, WRITE_SCOPE)
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


def _require_scope(actor: Actor, *scopes: str) -> None:
    """A service needs one of these scopes; a person needs none."""
    if actor.kind is ActorKind.SERVICE and not actor.scopes & set(scopes):
        raise Forbidden(f"This API key lacks the scope {' or '.join(scopes)}.")
