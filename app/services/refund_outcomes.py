"""What became of a refund at Stripe, applied exactly once: under the pool's and the purchase's lock, in one transaction (ruling 22).

The answer to the portal's own question, a webhook, the follow-up job and reconciliation all come here. A refund only moves on, so an older
word changes nothing; one that was made at Stripe's dashboard gets a row of its own.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select, update

from app.payments.refunds import StripeRefund
from app.rules.money import money_text
from app.rules.refunds import RETURNED, RefundOrigin, RefundStatus, advances, advice
from app.services import reversals
from app.services.billing_events import note_step
from app.services.refund_notices import Notice, announce
from app.services.reversals import LockedPurchase
from app.tenancy import Transaction
from models.refunds import Refund


class RefundMismatch(Exception):
    """Stripe's refund is of another amount or currency than the portal asked for: nothing is changed; an operator must look."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Stripe refused to make it, or never did: no money has left."""

    code: str


@dataclass(frozen=True, slots=True)
class _News:
    status: RefundStatus
    stripe_id: str | None
    code: str | None  # why it failed


async def apply(tx: Transaction, purchase: LockedPurchase, told: StripeRefund, now: datetime) -> None:
    """Apply what Stripe says of one refund of the purchase."""
    refund = await _known(tx, purchase.row.id, told)
    if refund is None:
        refund = await _discovered(tx, purchase.row, told, now)
    if (told.amount_cents, told.currency.upper()) != (refund.amount_cents, refund.currency):
        raise RefundMismatch(
            f"refund {refund.id} is {refund.amount_cents} {refund.currency}, {told.id} at Stripe {told.amount_cents} {told.currency}"
        )
    status = RefundStatus(refund.status)
    if advances(status, told.status, at_stripe=refund.stripe_refund_id is not None):
        await _move_on(tx, purchase, refund, _News(told.status, told.id, told.failure_code), now)


async def refuse(tx: Transaction, purchase: LockedPurchase, refund_id: UUID, refused: Refused, now: datetime) -> None:
    """End a refund that Stripe never made. One that Stripe is known to have is left alone."""
    refund = await _locked(tx, Refund.id == refund_id)
    if refund is not None and refund.status == RefundStatus.PENDING and refund.stripe_refund_id is None:
        await _move_on(tx, purchase, refund, _News(RefundStatus.FAILED, None, refused.code), now)


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
    return await tx.row(select(Refund.__table__).where(Refund.tenant_id == tx.tenant_id, *wanted).with_for_update())


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


async def _move_on(tx: Transaction, purchase: LockedPurchase, refund: Row[Any], news: _News, now: datetime) -> None:
    failed = news.status is RefundStatus.FAILED
    await tx.execute(
        update(Refund)
        .where(Refund.tenant_id == tx.tenant_id, Refund.id == refund.id)
        .values(
            status=news.status,
            stripe_refund_id=news.stripe_id or refund.stripe_refund_id,
            succeeded_at=now if news.status is RefundStatus.SUCCEEDED else refund.succeeded_at,
            failed_at=now if failed else None,
            failure_code=(news.code or "unknown") if failed else None,
        )
    )
    taken = await reversals.settle(tx, purchase, reversals.Cause(refund_id=refund.id))
    money = money_text(refund.amount_cents, refund.currency)
    data = {
        "amount_cents": refund.amount_cents,
        "currency": refund.currency,
        "credits": f"{taken:f}",
        "code": news.code,
    }
    starts = news.status in RETURNED and refund.status not in RETURNED
    notice = Notice(f"refund.{news.status}", ("refund", refund.id), data)
    subject = f"The refund of {money} failed" if failed else f"{money} of your purchase is on its way back"
    if failed or starts:  # that a refund which was on its way has arrived is no news worth a mail
        notice = replace(notice, subject=subject, lines=(advice(news.status, news.code),))
    await announce(tx, purchase.row, notice, now)
    if starts:
        await note_step(tx, purchase.row, "purchase.refunded", data | {"reason": money}, now)
