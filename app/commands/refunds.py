"""Commands that give money back, for operators."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import Row, select

from app.commands.connection import connect
from app.commands.failures import CommandError
from app.config import Settings
from app.environment import load_settings
from app.payments.gateway import Gateway
from app.rules.errors import Refusal
from app.rules.money import money_text
from app.rules.node_ids import uuid_of
from app.rules.refunds import RefundStatus, advice
from app.services.ledger_audit import tenants
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.refund_orders import RefundCommand
from app.services.refunds import Refunding
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.pools import CreditPool
from models.purchases import CreditPurchase
from models.refunds import Refund

_PIPED_WIDTH = 240  # columns, where there is no terminal whose width would count
_WAITING = (RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.PROCESSING)


def refund_purchase(purchase: str, amount_cents: int | None, reason: str, key: UUID | None) -> bool:
    """Give money of a purchase back and print what became of it; whether it did not fail."""
    purchase_id, chosen = _uuid(purchase, "CreditPurchase"), key or uuid4()

    async def give(refunding: Refunding, tenant_id: UUID) -> UUID:
        sys.stdout.write(f"key {chosen} (the same command with --key {chosen} is the same refund)\n")
        command = RefundCommand(purchase_id, reason, chosen, amount_cents)
        return await refunding.refund(tenant_id, command)

    return _act(CreditPurchase, purchase_id, give)


def approve_request(refund: str, amount_cents: int | None) -> bool:
    """Approve a buyer's request, give the money back and print what became of it; whether it did not fail."""
    refund_id = _uuid(refund, "Refund")

    async def approve(refunding: Refunding, tenant_id: UUID) -> UUID:
        await refunding.approve(tenant_id, refund_id, amount_cents)
        return refund_id

    return _act(Refund, refund_id, approve)


def reject_request(refund: str, reason: str) -> None:
    """Decline a buyer's request."""
    refund_id = _uuid(refund, "Refund")

    async def reject(refunding: Refunding, tenant_id: UUID) -> UUID:
        await refunding.reject(tenant_id, refund_id, reason)
        return refund_id

    _act(Refund, refund_id, reject)


def list_refunds(*, everything: bool, limit: int) -> None:
    """Print the refunds that wait for somebody, or all; the newest first."""
    rows = asyncio.run(_listed(everything=everything, limit=limit))
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    if not rows:
        console.print(
            "There are no refunds." if everything else "No refund is waiting. --all shows those that have ended."
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "status", "by", "amount", "pool", "purchase", "since"):
        table.add_column(column, no_wrap=True)
    table.add_column("reason", overflow="ellipsis", no_wrap=True)
    for row in rows:
        money, since = money_text(row.amount_cents, row.currency), f"{row.created_at:%Y-%m-%d %H:%M}"
        words = row.reason.replace("\n", " ")
        table.add_row(str(row.id), row.status, row.origin, money, row.name, str(row.purchase_id), since, words)
    console.print(table)


def _act(table: type[Any], key: UUID, doing: Callable[[Refunding, UUID], Awaitable[UUID]]) -> bool:
    """Do it in the tenant that has the row, print the refund as it is then; whether it did not fail."""
    return asyncio.run(_done(table, key, doing))


async def _done(table: type[Any], key: UUID, doing: Callable[[Refunding, UUID], Awaitable[UUID]]) -> bool:
    settings = load_settings()
    async with _opened(settings) as (database, gateway):
        tenant_id = await _tenant_of(settings, database, table, key)
        purchasing = Purchasing(database, gateway, QuoteSigner(settings.secret_key), settings.public_url)
        try:
            refund_id = await doing(Refunding(database, gateway, purchasing), tenant_id)
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        async with database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            refund = await _refund(tx, refund_id)
    status = RefundStatus(refund.status)
    money = money_text(refund.amount_cents, refund.currency)
    sys.stdout.write(
        f"refund {refund.id}: {money}: {status}\n{advice(status, refund.failure_code, refund.decision_note)}\n"
    )
    return status is not RefundStatus.FAILED


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, Gateway]]:
    database = Database(settings.database_app_url, pool_size=2)
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )
    try:
        yield database, gateway
    finally:
        await asyncio.gather(gateway.close(), database.close())


async def _refund(tx: Transaction, refund_id: UUID) -> Row[Any]:
    mine = (Refund.tenant_id == tx.tenant_id, Refund.id == refund_id)
    return (await tx.execute(select(Refund.__table__).where(*mine))).one()


async def _tenant_of(settings: Settings, database: Database, table: type[Any], key: UUID) -> UUID:
    for tenant_id in await _tenants(settings):
        async with database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            if await tx.scalar(select(table.id).where(table.tenant_id == tenant_id, table.id == key)) is not None:
                return tenant_id
    raise CommandError(f"there is no {'purchase' if table is CreditPurchase else 'refund'} {key}")


async def _tenants(settings: Settings) -> list[UUID]:
    owner = await connect(settings.database_url)
    try:
        return await tenants(owner)
    finally:
        await owner.close()


async def _listed(*, everything: bool, limit: int) -> list[Row[Any]]:
    settings = load_settings()
    found: list[Row[Any]] = []
    wanted = RefundStatus if everything else _WAITING
    statement = (
        select(Refund.__table__, CreditPool.name)
        .join(CreditPool, (CreditPool.tenant_id == Refund.tenant_id) & (CreditPool.id == Refund.pool_id))
        .where(Refund.status.in_([status.value for status in wanted]))
        .order_by(Refund.created_at.desc())
        .limit(limit)
    )
    async with _opened(settings) as (database, _):
        for tenant_id in await _tenants(settings):
            async with database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
                found += await tx.rows(statement.where(Refund.tenant_id == tenant_id))
    return sorted(found, key=lambda row: row.created_at, reverse=True)[:limit]


def _uuid(text: str, type_name: str) -> UUID:
    """A key as this command prints it, or an id as the API and the page's addresses have it."""
    try:
        return UUID(text)
    except ValueError:
        found = uuid_of(text, type_name)
    if found is None:
        raise CommandError(f"{text} is no id of a {'purchase' if type_name == 'CreditPurchase' else 'refund'}")
    return found
