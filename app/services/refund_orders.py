"""Refunds as they are ordered, requested and decided: under the pool's and the purchase's lock, so that two operators never give back
more than was paid (rulings 11 and 22). Each function is one transaction's work; Stripe is asked afterwards.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select, update

from app.auth.actor import utc_now
from app.rules.errors import NotFound, RefundNotPossible
from app.rules.purchases import CREDITED, FIRST_FOLLOW_UP, PurchaseStatus
from app.rules.refunds import UNFINISHED, RefundOrigin, RefundStatus, advice, check_amount, check_reason
from app.services import idempotency, reversals
from app.services.queue import Job, enqueue
from app.services.refund_notices import Notice, announce
from app.tenancy import Transaction
from models.purchases import CreditPurchase
from models.refunds import Refund


@dataclass(frozen=True, slots=True)
class RefundCommand:
    """What is to be given back of a purchase: cents, or (None) all that is left; and a key that makes repeating safe."""

    purchase_id: UUID
    reason: str
    idempotency_key: UUID
    amount_cents: int | None = None

    def digest(self, operation: str) -> bytes:
        body = {"purchase": self.purchase_id, "amount": self.amount_cents, "reason": self.reason.strip()}
        return idempotency.request_hash(operation, body)


async def open_refund(
    tx: Transaction, command: RefundCommand, origin: RefundOrigin, by: UUID | None = None
) -> tuple[UUID, bool]:
    """Write the refund or the request, its key and the job that follows it, all or none; (id, whether it is new)."""
    is_request = origin is RefundOrigin.REQUEST
    operation = "purchaseRefundRequest" if is_request else "purchaseRefund"
    purchase = (await reversals.lock_purchase(tx, command.purchase_id)).row
    refund_id = uuid4()
    owner = await idempotency.claim(tx, command.idempotency_key, operation, command.digest(operation), refund_id)
    if owner != refund_id:
        return owner, False
    reason = check_reason(command.reason)
    amount_cents = await _check(tx, purchase, command.amount_cents)
    if is_request:
        await _check_no_request(tx, purchase.id)
    status = RefundStatus.REQUESTED if is_request else RefundStatus.PENDING
    await tx.execute(
        insert(Refund).values(
            tenant_id=tx.tenant_id,
            id=refund_id,
            pool_id=purchase.pool_id,
            purchase_id=purchase.id,
            origin=origin,
            status=status,
            amount_cents=amount_cents,
            currency=purchase.payment_currency,
            reason=reason,
            requested_by=by,
            decided_at=None if is_request else utc_now(),
        )
    )
    await _tell(tx, purchase, refund_id, status, amount_cents, reason, by)
    return refund_id, True


async def _check(tx: Transaction, purchase: Row[Any], asked_cents: int | None) -> int:
    """The cents that a refund of the locked purchase gives back. Raises RefundNotPossible, Invalid, RefundTooLarge."""
    if PurchaseStatus(purchase.status) not in CREDITED:
        raise RefundNotPossible(
            f"Only a completed purchase can be refunded; this one is {purchase.status.replace('_', ' ')}.", path=("id",)
        )
    if purchase.stripe_payment_intent_id is None:
        raise RefundNotPossible(
            "This purchase was not paid through Stripe: there is no payment to refund.", path=("id",)
        )
    return check_amount(
        asked_cents,
        paid_cents=purchase.payment_amount_cents,
        claimed_cents=await reversals.claimed_cents(tx, purchase),
        currency=purchase.payment_currency,
    )


async def _check_no_request(tx: Transaction, purchase_id: UUID) -> None:
    waiting = select(Refund.id).where(
        Refund.tenant_id == tx.tenant_id, Refund.purchase_id == purchase_id, Refund.status == RefundStatus.REQUESTED
    )
    if await tx.scalar(waiting) is not None:
        raise RefundNotPossible(
            "A refund of this purchase was requested already and waits for a decision.", path=("id",)
        )


async def _tell(  # noqa: PLR0917  what was written, as it was
    tx: Transaction,
    purchase: Row[Any],
    refund_id: UUID,
    status: RefundStatus,
    amount_cents: int,
    reason: str,
    by: UUID | None = None,
) -> None:
    """Say that a refund was requested, decided on or rejected; one that was decided on is followed until it ends."""
    data = {"amount_cents": amount_cents, "currency": purchase.payment_currency, "reason": reason}
    notice = Notice(f"refund.{status}", ("refund", refund_id), data)
    if status is RefundStatus.REQUESTED:
        notice = replace(notice, subject="A refund was requested", lines=(f"Reason: {reason}", advice(status)))
    elif status is RefundStatus.REJECTED:
        notice = replace(notice, subject="The refund was declined", lines=(advice(status, note=reason),))
    else:
        payload = {"tenant_id": str(tx.tenant_id), "refund_id": str(refund_id)}
        await enqueue(tx, Job.FINISH_REFUND, payload, after=FIRST_FOLLOW_UP)
    await announce(tx, purchase, notice, utc_now(), by)


async def _decided(tx: Transaction, refund_id: UUID) -> tuple[Row[Any], Row[Any]]:
    """(purchase, refund), both locked, of a request. Raises NotFound."""
    mine = (Refund.tenant_id == tx.tenant_id, Refund.id == refund_id, Refund.origin == RefundOrigin.REQUEST)
    purchase_id = await tx.scalar(select(Refund.purchase_id).where(*mine))
    if purchase_id is None:
        raise NotFound("refund request", path=("id",))
    purchase = (await reversals.lock_purchase(tx, purchase_id)).row
    return purchase, (await tx.execute(select(Refund.__table__).where(*mine).with_for_update())).one()


async def approve(tx: Transaction, refund_id: UUID, amount_cents: int | None) -> None:
    purchase, refund = await _decided(tx, refund_id)
    if refund.status != RefundStatus.REQUESTED:
        if refund.status == RefundStatus.REJECTED or amount_cents not in {None, refund.amount_cents}:
            raise RefundNotPossible(_decided_otherwise(refund), path=("id",))
        return
    cents = await _check(tx, purchase, amount_cents)
    await _decide(tx, refund_id, status=RefundStatus.PENDING, amount_cents=cents)
    await _tell(tx, purchase, refund_id, RefundStatus.PENDING, cents, refund.reason)


async def reject(tx: Transaction, refund_id: UUID, note: str) -> None:
    purchase, refund = await _decided(tx, refund_id)
    if refund.status == RefundStatus.REJECTED:
        return
    if refund.status != RefundStatus.REQUESTED:
        raise RefundNotPossible(_decided_otherwise(refund), path=("id",))
    await _decide(tx, refund_id, status=RefundStatus.REJECTED, decision_note=note)
    await _tell(tx, purchase, refund_id, RefundStatus.REJECTED, refund.amount_cents, note)


def _decided_otherwise(refund: Row[Any]) -> str:
    if refund.status == RefundStatus.REJECTED:
        return "This request was rejected already. Give money back by a refund of the purchase itself."
    return f"This request was approved already, with {refund.amount_cents} cents; the refund is {refund.status}."


async def _decide(tx: Transaction, refund_id: UUID, **values: Any) -> None:
    await tx.execute(
        update(Refund)
        .where(Refund.tenant_id == tx.tenant_id, Refund.id == refund_id)
        .values(decided_at=utc_now(), **values)
    )


async def unfinished(tx: Transaction, refund_id: UUID) -> Row[Any] | None:
    """A refund that Stripe is to be asked about, with its payment; `since` when it was decided."""
    return await tx.row(
        select(
            Refund.__table__,
            Refund.decided_at.label("since"),
            CreditPurchase.stripe_payment_intent_id,
        )
        .join(
            CreditPurchase,
            (CreditPurchase.tenant_id == Refund.tenant_id) & (CreditPurchase.id == Refund.purchase_id),
        )
        .where(
            Refund.tenant_id == tx.tenant_id,
            Refund.id == refund_id,
            Refund.status.in_([status.value for status in UNFINISHED]),
        )
    )
