"""What became of a refund at Stripe, applied exactly once: under the pool's and the purchase's lock, in one transaction (ruling 22).

The answer to the portal's own question, a webhook, the follow-up job and reconciliation all come here. A refund only moves on, so an older
word changes nothing; one that was made at Stripe's dashboard gets a row of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select, update

from app.payments.refunds import StripeRefund
from app.rules.money import money_text
from app.rules.refunds import RETURNED, RefundOrigin, RefundStatus, advances, advice
from app.services import reversals
from app.services.ledger import LockedPool
from app.services.refund_notices import Notice, announce, note_event
from app.tenancy import Transaction
from models.refunds import Refund


class RefundMismatch(Exception):
    """Stripe's refund is of another amount or currency than the portal asked for: nothing is changed; an operator must look."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Stripe refused to make it, or never did: no money has left."""

    code: str


async def apply(tx: Transaction, pool: LockedPool, purchase: Row[Any], told: StripeRefund, now: datetime) -> None:
    """Apply what Stripe says of one refund of the purchase. Both are locked (`reversals.lock_purchase`)."""
    refund = await _known(tx, purchase.id, told)
    if refund is None:
        refund = await _discovered(tx, purchase, told, now)
    if (told.amount_cents, told.currency.upper()) != (refund.amount_cents, refund.currency):
        raise RefundMismatch(
            f"refund {refund.id} is {refund.amount_cents} {refund.currency}, {told.id} at Stripe {told.amount_cents} {told.currency}"
        )
    status = RefundStatus(refund.status)
    if advances(status, told.status, at_stripe=refund.stripe_refund_id is not None):
        await _move_on(tx, pool, purchase, refund, told.status, now, stripe_id=told.id, code=told.failure_code)


async def refuse(
    tx: Transaction, pool: LockedPool, purchase: Row[Any], refund_id: UUID, refused: Refused, now: datetime
) -> None:
    """End a refund that Stripe never made. One that Stripe is known to have is left alone."""
    refund = await _locked(tx, Refund.id == refund_id)
    if refund is not None and refund.status == RefundStatus.PENDING and refund.stripe_refund_id is None:
        await _move_on(tx, pool, purchase, refund, RefundStatus.FAILED, now, stripe_id=None, code=refused.code)


async def _known(tx: Transaction, purchase_id: UUID, told: StripeRefund) -> Row[Any] | None:
    """The row of Stripe's refund: by its id, or by ours that stands on it."""
    found = await _locked(tx, Refund.stripe_refund_id == told.id)
    if found is not None:
        return found
    try:
        named = UUID(told.metadata.get("refund_id", ""))
    except ValueError:
        return None
    return await _locked(tx, Refund.id == named, Refund.purchase_id == purchase_id, Refund.stripe_refund_id.is_(None))


async def _locked(tx: Transaction, *wanted: Any) -> Row[Any] | None:
    return await tx.row(
        select(Refund.__table__).where(Refund.tenant_id == tx.tenant_id, *wanted).with_for_update()
    )


async def _discovered(tx: Transaction, purchase: Row[Any], told: StripeRefund, now: datetime) -> Row[Any]:
    """The row of a refund that somebody made at Stripe's dashboard."""
    refund_id = uuid4()
    await tx.execute(
        insert(Refund).values(
            tenant_id=tx.tenant_id,
            id=refund_id,
            pool_id=purchase.pool_id,
            purchase_id=purchase.id,
            origin=RefundOrigin.STRIPE,
            status=RefundStatus.PENDING,
            amount_cents=told.amount_cents,
            currency=told.currency.upper(),
            reason="Refunded at Stripe",
            stripe_refund_id=told.id,
            decided_at=now,
        )
    )
    found = await _locked(tx, Refund.id == refund_id)
    assert found is not None  # noqa: S101  written above
    return found


async def _move_on(  # noqa: PLR0917  the row before, and all that is new
    tx: Transaction,
    pool: LockedPool,
    purchase: Row[Any],
    refund: Row[Any],
    status: RefundStatus,
    now: datetime,
    *,
    stripe_id: str | None,
    code: str | None,
) -> None:
    await tx.execute(
        update(Refund)
        .where(Refund.tenant_id == tx.tenant_id, Refund.id == refund.id)
        .values(
            status=status,
            stripe_refund_id=stripe_id or refund.stripe_refund_id,
            succeeded_at=now if status is RefundStatus.SUCCEEDED else refund.succeeded_at,
            failed_at=now if status is RefundStatus.FAILED else None,
            failure_code=(code or "unknown") if status is RefundStatus.FAILED else None,
        )
    )
    taken = await reversals.settle(tx, pool, purchase, reversals.Cause(refund_id=refund.id))
    data = {"amount_cents": refund.amount_cents, "currency": refund.currency, "credits": f"{taken:f}", "code": code}
    was_returned = refund.status in RETURNED
    subject = _subject(purchase, refund, status, was_returned=was_returned)
    lines = (advice(status, code),) if subject else ()
    await announce(tx, purchase, Notice(f"refund.{status}", ("refund", refund.id), data, subject, lines), now)
    if status in RETURNED and not was_returned:
        await note_event(tx, purchase, "purchase.refunded", data | {"reason": _money(refund)}, now)


def _subject(purchase: Row[Any], refund: Row[Any], status: RefundStatus, *, was_returned: bool) -> str | None:
    """The mail's subject. That a refund which was on its way has arrived is no news worth a mail."""
    if status is RefundStatus.FAILED:
        return f"The refund of {_money(refund)} failed"
    return None if was_returned else f"{_money(refund)} of your purchase is on its way back"


def _money(refund: Row[Any]) -> str:
    return money_text(refund.amount_cents, refund.currency)
