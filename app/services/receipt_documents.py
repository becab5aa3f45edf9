"""Receipts as PDF: read for whoever may see the purchase, set by typst beside the event loop, the same bytes for the same purchase."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select

from app.auth.actor import Principal, acting
from app.rules.errors import Invalid, NotFound
from app.rules.purchases import CREDITED
from app.rules.receipts import Sold, receipt, receipt_number
from app.rules.refunds import RETURNED
from app.tenancy import Database
from models.pools import CreditPool
from models.purchases import CreditPurchase
from models.refunds import Refund
from models.tenants import Tenant, User

if TYPE_CHECKING:
    from typst import Fonts

_TEMPLATE = Path(__file__).resolve().parent / "documents" / "receipt.typ"
AT_ONCE = 2  # each takes one core for some 30 ms
PATIENCE_SECONDS = 10.0


class TooManyReceipts(Exception):
    """All places were taken for too long: ask again in a moment."""


@dataclass(frozen=True, slots=True)
class Document:
    """A finished receipt."""

    number: str
    pdf: bytes


class ReceiptDocuments:
    """Makes receipts; `seller` is named on them."""

    def __init__(self, database: Database, seller: str) -> None:
        self._database = database
        self._seller = seller
        self._places = asyncio.Semaphore(AT_ONCE)

    async def of(self, principal: Principal, purchase_id: UUID) -> Document:
        """The receipt of a purchase that this principal may see.

        Raises NotFound for anybody else's purchase as for none at all, Invalid for one that is not paid, TooManyReceipts.
        """
        async with acting(self._database, principal, read_only=True) as session:
            row = await session.tx.row(_statement(session.tx.tenant_id, purchase_id))
            if row is None or not session.actor.sees_purchase(row.pool_id, row.user_id):
                raise NotFound("receipt")
            refunds = await session.tx.rows(_refunds(session.tx.tenant_id, purchase_id))
        if row.status not in CREDITED:
            raise Invalid("This purchase is not paid: it has no receipt.", reason="not_paid")
        sold = _sold(row, refunds)
        content = json.dumps(receipt(sold, self._seller))
        return Document(receipt_number(sold.purchase_id, sold.paid_at), await self._set(content, sold))

    async def _set(self, content: str, sold: Sold) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise TooManyReceipts from None
        try:
            return await asyncio.to_thread(_compile, content, int(sold.paid_at.timestamp()))
        finally:
            self._places.release()


def _compile(content: str, timestamp: int) -> bytes:
    """typst with its own fonts alone: no machine sets a receipt otherwise than another."""
    import typst  # noqa: PLC0415  50 MB of machine code that only receipts need

    pdf = typst.compile(
        input=_template(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"receipt": content},
        format="pdf",
        timestamp=timestamp,
    )
    if not isinstance(pdf, bytes):
        raise TypeError("typst made no PDF")
    return pdf


@cache
def _template() -> bytes:
    return _TEMPLATE.read_bytes()


@cache
def _fonts() -> "Fonts":
    from typst import Fonts  # noqa: PLC0415

    return Fonts(include_system_fonts=False)


def _statement(tenant_id: UUID, purchase_id: UUID) -> Any:
    return (
        select(
            CreditPurchase.__table__,
            CreditPool.name.label("pool_name"),
            User.email,
            User.display_name,
            Tenant.name.label("tenant_name"),
        )
        .join(User, and_(User.tenant_id == CreditPurchase.tenant_id, User.id == CreditPurchase.user_id))
        .join(
            CreditPool, and_(CreditPool.tenant_id == CreditPurchase.tenant_id, CreditPool.id == CreditPurchase.pool_id)
        )
        .join(Tenant, Tenant.id == CreditPurchase.tenant_id)
        .where(CreditPurchase.tenant_id == tenant_id, CreditPurchase.id == purchase_id)
    )


def _refunds(tenant_id: UUID, purchase_id: UUID) -> Any:
    """What went back by refunds, each with its day, in their order."""
    returned = [status.value for status in RETURNED]
    return (
        select(func.coalesce(Refund.succeeded_at, Refund.created_at).label("at"), Refund.amount_cents)
        .where(Refund.tenant_id == tenant_id, Refund.purchase_id == purchase_id, Refund.status.in_(returned))
        .order_by("at", Refund.id)
    )


def _sold(row: Row[Any], refunds: Sequence[Row[Any]]) -> Sold:
    return Sold(
        purchase_id=row.id,
        paid_at=row.completed_at,
        buyer_name=row.display_name,
        buyer_email=row.email,
        pool_name=row.pool_name,
        tenant_name=row.tenant_name,
        credits=row.credits_amount,
        bonus_credits=row.bonus_credits,
        unit_price_cents=row.unit_price_cents,
        base_cents=row.base_cents,
        discount_cents=row.discount_cents,
        discount_rate=row.discount_rate,
        total_cents=row.payment_amount_cents,
        refunded_cents=row.refunded_cents,
        refunds=tuple((one.at, one.amount_cents) for one in refunds),
        currency=row.payment_currency,
        card=row.payment_method,
        payment_intent_id=row.stripe_payment_intent_id,
    )
