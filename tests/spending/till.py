"""A household's till: the commands of spending by short names, and what the rows say afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from app.auth.actor import Principal, ServicePrincipal
from app.auth.api_keys import generate, parse
from app.payments.refunds import StripeDispute, StripeRefund
from app.rules.burn_order import Bucket
from app.rules.consumption import Figures, RequestType
from app.rules.errors import Refusal
from app.rules.refunds import RefundStatus
from app.services import disputes, refund_outcomes, reversals
from app.services.ledger import Entry, EntryKind, lock_pool, post
from app.services.spending.commands import DEFAULT_HOLD, Command, Release, Reservation, Reserve, Settle
from app.services.spending.lanes import Answer
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.factories import Household


def worth(credits: Decimal | str | int) -> Figures:
    """Figures of a transcription that cost so many credits: no cap on tokens is in the way."""
    return Figures(minutes=Decimal(credits) * 100)


@dataclass
class Till:
    database: Database
    spending: Spending
    inspector: asyncpg.Connection
    household: Household
    who: str = "olivia"
    principal: Principal = field(init=False)

    def __post_init__(self) -> None:
        self.principal = self.household.principal(self.who)

    @property
    def pool_id(self) -> UUID:
        return self.household.pool_id

    def user(self, name: str | None = None) -> UUID:
        return self.household.people[name or self.who].user_id

    def reserving(self, credits: Decimal | str | int = 1, *, who: str | None = None, **more: Any) -> Reserve:
        """A command to hold so many credits."""
        values: dict[str, Any] = {
            "user_id": self.user(who),
            "request_id": uuid4(),
            "request_type": RequestType.TRANSCRIPTION,
            "model_id": "gpt-x",
            "figures": worth(credits),
            "hold_for": DEFAULT_HOLD,
        }
        return Reserve(**{**values, **more})

    async def submit(
        self, *commands: Command, pool_id: UUID | None = None, by: Principal | None = None
    ) -> list[Answer]:
        pairs = [(pool_id or self.pool_id, command) for command in commands]
        return await self.spending.submit(by or self.principal, pairs)

    async def reserve(self, credits: Decimal | str | int = 1, **more: Any) -> Reservation:
        """Hold credits; a refusal is raised."""
        by = self.household.principal(more.get("who") or self.who)
        return _good((await self.submit(self.reserving(credits, **more), by=by))[0])

    async def settle(self, reference: UUID, credits: Decimal | str | int = 1, **more: Any) -> Reservation:
        return _good((await self.submit(Settle(reference, worth(credits), **more)))[0])

    async def release(self, reference: UUID) -> Reservation:
        return _good((await self.submit(Release(reference)))[0])

    async def refusal(self, command: Command, *, by: Principal | None = None, pool_id: UUID | None = None) -> Refusal:
        """The refusal of a command, after which every row is as it was."""
        before = await self.rows()
        (answer,) = await self.submit(command, by=by, pool_id=pool_id)
        assert isinstance(answer, Refusal), answer
        assert await self.rows() == before
        return answer

    async def overdue(self, reservation: Reservation) -> None:
        """Let the hold's time have passed."""
        await self.inspector.execute(
            "UPDATE credit_reservations SET expires_at = $2 WHERE id = $1",
            reservation.id,
            reservation.expires_at - timedelta(days=1),
        )

    async def pool(self) -> dict[str, Any]:
        row = await self.inspector.fetchrow("SELECT * FROM credit_pools WHERE id = $1", self.pool_id)
        assert row is not None
        return dict(row)

    async def member(self, who: str | None = None) -> dict[str, Any]:
        row = await self.inspector.fetchrow(
            "SELECT * FROM credit_pool_members WHERE pool_id = $1 AND user_id = $2", self.pool_id, self.user(who)
        )
        assert row is not None
        return dict(row)

    async def set_pool(self, **values: Any) -> None:
        await self._set("credit_pools", "id", values, self.pool_id)

    async def set_subscription(self, **values: Any) -> None:
        await self._set("subscriptions", "credit_pool_id", values, self.pool_id)

    async def set_member(self, who: str | None = None, **values: Any) -> None:
        await self._set("credit_pool_members", "id", values, self.household.people[who or self.who].member_id)

    async def _set(self, table: str, key: str, values: dict[str, Any], at: UUID) -> None:
        columns = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
        assert (
            await self.inspector.execute(f"UPDATE {table} SET {columns} WHERE {key} = $1", at, *values.values())
            == "UPDATE 1"
        )

    async def balances(self) -> tuple[Decimal, Decimal, Decimal]:
        """(available, reserved, shortfall)"""
        pool = await self.pool()
        return pool["balance_available"], pool["balance_reserved"], pool["shortfall_credits"]

    async def buckets(self) -> tuple[Decimal, Decimal, Decimal]:
        """(included, bonus, purchased)"""
        pool = await self.pool()
        return pool["included_remaining"], pool["bonus_remaining"], pool["purchased_remaining"]

    async def entries(self, kind: str = "consumption") -> list[asyncpg.Record]:
        return await self.inspector.fetch(
            "SELECT * FROM credit_transactions WHERE pool_id = $1 AND transaction_type = $2 ORDER BY sequence",
            self.pool_id,
            kind,
        )

    async def usage(self) -> list[asyncpg.Record]:
        return await self.inspector.fetch(
            "SELECT * FROM credit_usage WHERE pool_id = $1 ORDER BY created_at", self.pool_id
        )

    async def rows(self) -> dict[str, list[asyncpg.Record]]:
        """All that spending writes, of the tenant, but for the time of the pool's last writing and its rolled traffic."""
        rows = {
            table: await self.inspector.fetch(f"SELECT * FROM {table} t WHERE tenant_id = $1 ORDER BY t::text", self.household.tenant_id)
            for table in (
                "credit_pools", "credit_pool_members", "credit_transactions", "credit_reservations", "credit_usage", "usage_rollups",
                "approval_requests",
            )
        }  # fmt: skip
        unsteady = {"updated_at", "traffic_day", "traffic_minute", "requests_this_minute", "tokens_this_minute"}
        rows["credit_pools"] = [
            {name: value for name, value in pool.items() if name not in unsteady} for pool in rows["credit_pools"]
        ]  # type: ignore[assignment, misc]
        return rows

    async def buy(
        self, credits: Decimal | str, bonus: Decimal | str, cents: int, *, pool_id: UUID | None = None
    ) -> UUID:
        """A completed purchase with its entries, as it is once Stripe has taken the money."""
        purchase_id, bought, given = uuid4(), Decimal(credits), Decimal(bonus)
        await self.inspector.execute(
            "INSERT INTO credit_purchases (tenant_id, id, pool_id, user_id, idempotency_key, credits_amount, bonus_credits, total_credits,"
            " unit_price_cents, base_cents, payment_amount_cents, status, stripe_payment_intent_id)"
            " SELECT tenant_id, $2::uuid, id, owner_user_id, $2, $3::numeric, $4::numeric, $3 + $4, 1, $5, $5, 'completed', 'pi_' || $2"
            " FROM credit_pools WHERE id = $1",
            pool_id or self.pool_id, purchase_id, bought, given, cents,
        )  # fmt: skip
        entries = (
            Entry(EntryKind.PURCHASE, Bucket.PURCHASED, bought, source_id=str(purchase_id)),
            Entry(EntryKind.BONUS_GRANT, Bucket.BONUS, given, source_id=str(purchase_id)),
        )
        async with self.database.transaction(self.household.worker) as tx:
            await post(tx, await lock_pool(tx, pool_id or self.pool_id), [entry for entry in entries if entry.amount])
        return purchase_id

    async def tell_refund(self, purchase_id: UUID, refund_id: str, cents: int, *, failed: bool = False) -> None:
        """What Stripe says of a refund, by the service's own way of taking it."""
        status = RefundStatus.FAILED if failed else RefundStatus.SUCCEEDED
        told = StripeRefund(refund_id, status, cents, "usd", "unknown" if failed else None, {})
        async with self.database.transaction(self.household.worker) as tx:
            purchase = await reversals.lock_purchase(tx, purchase_id)
            await refund_outcomes.apply(tx, purchase, told, datetime.now(UTC))

    async def tell_dispute(self, purchase_id: UUID, dispute_id: str, amount: int, withdrawn: int, status: str) -> None:
        """What Stripe says of a dispute."""
        now = datetime.now(UTC)
        told = StripeDispute(dispute_id, status, "fraudulent", amount, withdrawn, "usd", None, now)
        async with self.database.transaction(self.household.worker) as tx:
            await disputes.apply(tx, await reversals.lock_purchase(tx, purchase_id), told, now)

    async def new_key(self, *scopes: str, pool_id: UUID | None = None) -> ServicePrincipal:
        """An API key of the tenant."""
        key = generate(self.household.tenant_id)
        await self.inspector.execute(
            "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes, pool_id) VALUES ($1, $2, 'gateway', $3, $4, $5, $6)",
            self.household.tenant_id, key.key_id, key.secret_hash, key.prefix, list(scopes), pool_id,
        )  # fmt: skip
        return parse(key.text)

    async def approve(
        self, amount: Decimal | int, *, who: str | None = None, model_id: str = "gpt-x", **more: Any
    ) -> UUID:
        """An approved request of a member."""
        values = {"id": uuid4(), "status": "approved", "lasts": timedelta(hours=24), **more}
        await self.inspector.execute(
            "INSERT INTO approval_requests (tenant_id, id, pool_id, user_id, amount, approved_amount, model_id, request_type, status,"
            " expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6, 'text', $7, now() + $8)",
            self.household.tenant_id, values["id"], self.pool_id, self.user(who), Decimal(amount), model_id, values["status"],
            values["lasts"],
        )  # fmt: skip
        approval: UUID = values["id"]
        return approval


def _good(answer: Answer) -> Reservation:
    if isinstance(answer, Refusal):
        raise answer
    assert isinstance(answer, Reservation)
    return answer
