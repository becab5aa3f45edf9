"""What a payment came to, applied exactly once to its purchase: under the pool's and the purchase's lock, in one transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, select, update

from app.payments.gateway import Gateway
from app.payments.outcomes import (
    Canceled,
    Declined,
    GatewayError,
    GatewayUnavailable,
    IdempotencyMismatch,
    Outcome,
    Processing,
    RequiresAction,
    Succeeded,
    Unknown,
)
from app.rules.burn_order import Bucket
from app.rules.purchase_progress import ABANDONED, CANCELED, NEVER_CHARGED, decline_advice
from app.rules.purchases import (
    ACTION_EXPIRES_AFTER,
    CREDITED,
    KEY_LIVES,
    OPEN,
    PurchaseStatus,
    may_become,
    purchase_page,
)
from app.services import receipts
from app.services.audit import record
from app.services.auto_purchase import outcomes as auto_purchases
from app.services.billing_events import note_step
from app.services.ledger import Entry, EntryKind, LockedPool, lock_pool, mark_purchased, post
from app.services.notifications import notify
from app.services.queue import Job, enqueue
from app.tenancy import Transaction
from models.purchases import CreditPurchase

log = structlog.get_logger()


class PaymentMismatch(Exception):
    """Stripe speaks of another payment, amount or currency than the purchase does: nothing is credited; an operator must look."""


async def open_purchase(tx: Transaction, purchase_id: UUID) -> Row[Any] | None:
    """The purchase as far as asking Stripe needs it, if it is still open."""
    return await tx.row(
        select(
            CreditPurchase.id,
            CreditPurchase.tenant_id,
            CreditPurchase.pool_id,
            CreditPurchase.status,
            CreditPurchase.credits_amount,
            CreditPurchase.payment_amount_cents,
            CreditPurchase.payment_currency,
            CreditPurchase.stripe_payment_intent_id,
            CreditPurchase.stripe_payment_method_id,
            CreditPurchase.is_auto_purchase,
            CreditPurchase.metadata_["stripe_customer_id"].astext.label("stripe_customer_id"),
            CreditPurchase.created_at,
        ).where(
            CreditPurchase.tenant_id == tx.tenant_id,
            CreditPurchase.id == purchase_id,
            CreditPurchase.status.in_([status.value for status in OPEN]),
        )
    )


async def ask_stripe(gateway: Gateway, purchase: Row[Any], public_url: str, now: datetime) -> Outcome:
    """What became of the payment: charged with the stored key if nothing is known of it yet, never once that key may be forgotten."""
    intent_id: str | None = purchase.stripe_payment_intent_id
    age: timedelta = now - purchase.created_at
    try:
        if intent_id is not None:
            outcome = await gateway.payment(intent_id)
            # A step that nobody takes any more ends by our hand; what has ended meanwhile keeps its end.
            abandoned = age > ACTION_EXPIRES_AFTER and isinstance(outcome, RequiresAction | Unknown)
            return await gateway.cancel(intent_id) if abandoned else outcome
        if age > KEY_LIVES:
            found = await gateway.find_payment(purchase.id)
            return found or Declined(None, NEVER_CHARGED, None, "The payment was never made.")
        return await _charge(gateway, purchase, public_url)
    except (GatewayUnavailable, IdempotencyMismatch) as error:
        # No answer, or an answer about another request under this key: neither says that no money was taken.
        return Unknown(str(error), intent_id)
    except GatewayError as error:
        # Stripe refused the request itself (a card that went away meanwhile, say): no money was taken by it.
        log.warning("stripe refused the request", purchase_id=str(purchase.id), error=str(error))
        if intent_id is not None:
            return Unknown(str(error), intent_id)
        code = "payment_method_missing" if error.param == "payment_method" else error.code or "invalid_request"
        return Declined(None, code, None, error.message)


async def _charge(gateway: Gateway, purchase: Row[Any], public_url: str) -> Outcome:
    return await gateway.charge(
        amount_cents=purchase.payment_amount_cents,
        currency=purchase.payment_currency,
        customer_id=purchase.stripe_customer_id,
        payment_method_id=purchase.stripe_payment_method_id,
        idempotency_key=f"purchase-{purchase.id}",
        metadata={
            "tenant_id": str(purchase.tenant_id),
            "pool_id": str(purchase.pool_id),
            "purchase_id": str(purchase.id),
        },
        description=f"{purchase.credits_amount.normalize():f} AI credits",
        return_url=purchase_page(public_url, purchase.id),
        off_session=purchase.is_auto_purchase,
    )


async def apply(tx: Transaction, purchase_id: UUID, outcome: Outcome, now: datetime) -> None:
    """Apply an outcome. Credits arrive once, when Stripe says succeeded, whatever was believed before.

    Nothing else changes a purchase that has ended.
    """
    pool_id = await tx.scalar(
        select(CreditPurchase.pool_id).where(CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase_id)
    )
    if pool_id is None:
        log.warning("an outcome for a purchase that does not exist", purchase_id=str(purchase_id))
        return
    pool = await lock_pool(tx, pool_id)
    purchase = (
        await tx.execute(
            select(CreditPurchase.__table__)
            .where(CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase_id)
            .with_for_update()
        )
    ).one()
    known = purchase.stripe_payment_intent_id
    if known and outcome.payment_intent_id and known != outcome.payment_intent_id:
        raise PaymentMismatch(f"purchase {purchase.id} is paid by {known}, not by {outcome.payment_intent_id}")
    status = PurchaseStatus(purchase.status)
    if isinstance(outcome, Succeeded):
        if status not in CREDITED:
            await _complete(tx, pool, purchase, outcome, now)
    elif may_become(status, _status_after(outcome, status)):
        await _note(tx, pool, purchase, outcome, now)


def _status_after(outcome: Outcome, status: PurchaseStatus) -> PurchaseStatus:
    """What this outcome makes of a purchase, if it may become that."""
    match outcome:
        case Succeeded():
            return PurchaseStatus.COMPLETED
        case RequiresAction():
            return PurchaseStatus.REQUIRES_ACTION
        case Processing():
            return PurchaseStatus.PROCESSING
        case Declined() | Canceled():
            return PurchaseStatus.FAILED
        case Unknown():
            # Nobody knows: the job asks again with the same key. The step at the bank, if one is open, stays open.
            return PurchaseStatus.PROCESSING if status is PurchaseStatus.PENDING else status


async def _complete(tx: Transaction, pool: LockedPool, purchase: Row[Any], paid: Succeeded, now: datetime) -> None:
    if (paid.amount_cents, paid.currency.upper()) != (purchase.payment_amount_cents, purchase.payment_currency):
        raise PaymentMismatch(
            f"purchase {purchase.id} is {purchase.payment_amount_cents} {purchase.payment_currency}, "
            f"Stripe took {paid.amount_cents} {paid.currency}"
        )
    await post(tx, pool, _entries(purchase, paid))
    await mark_purchased(tx, pool, now)
    await _set(
        tx,
        purchase.id,
        status=PurchaseStatus.COMPLETED,
        completed_at=now,
        failed_at=None,
        failure_code=None,
        failure_reason=None,
        next_action_url=None,
        stripe_payment_intent_id=paid.payment_intent_id,
        stripe_charge_id=paid.charge_id,
        stripe_receipt_url=paid.receipt_url,
    )
    await _tell(
        tx, purchase, "purchase.completed", {"amount_cents": paid.amount_cents, "charge_id": paid.charge_id}, now
    )
    await notify(
        tx,
        user_id=purchase.user_id,
        pool_id=purchase.pool_id,
        kind=receipts.KIND,
        parameters={"purchase_id": str(purchase.id), "total_credits": f"{purchase.total_credits:f}"},
        dedupe_key=receipts.dedupe_key(purchase.id),
    )
    await enqueue(tx, Job.MAIL_RECEIPT, {"tenant_id": str(tx.tenant_id), "purchase_id": str(purchase.id)})
    if purchase.is_auto_purchase:
        await auto_purchases.completed(tx, pool, purchase, now)


def _entries(purchase: Row[Any], paid: Succeeded) -> list[Entry]:
    """The bought credits and, as an entry of their own, the bonus."""
    bought = Entry(
        EntryKind.PURCHASE,
        Bucket.PURCHASED,
        purchase.credits_amount,
        user_id=purchase.user_id,
        source_id=str(purchase.id),
        description="Purchase of credits",
        payment_intent_id=paid.payment_intent_id,
        payment_amount_cents=paid.amount_cents,
        payment_currency=purchase.payment_currency,
    )
    if not purchase.bonus_credits:
        return [bought]
    bonus = Entry(
        EntryKind.BONUS_GRANT,
        Bucket.BONUS,
        purchase.bonus_credits,
        user_id=purchase.user_id,
        source_id=str(purchase.id),
        description="Bonus of the purchase",
        payment_intent_id=paid.payment_intent_id,
    )
    return [bought, bonus]


async def _note(tx: Transaction, pool: LockedPool, purchase: Row[Any], outcome: Outcome, now: datetime) -> None:
    """Everything that is not success: how far it has come, or why it failed."""
    intent_id = outcome.payment_intent_id or purchase.stripe_payment_intent_id
    match outcome:
        case RequiresAction(redirect_url=url):
            await _proceed(tx, purchase, PurchaseStatus.REQUIRES_ACTION, intent_id=intent_id, url=url, now=now)
        case Processing():
            await _proceed(tx, purchase, PurchaseStatus.PROCESSING, intent_id=intent_id, url=None, now=now)
        case Unknown():
            status = _status_after(outcome, PurchaseStatus(purchase.status))
            await _proceed(tx, purchase, status, intent_id=intent_id, url=purchase.next_action_url, now=now)
        case Declined(code=code, decline_code=decline_code):
            advice = decline_advice(code, decline_code)
            await _fail(tx, pool, purchase, intent_id, code=decline_code or code, reason=advice, now=now)
        case Canceled(reason=why):
            code = ABANDONED if why == ABANDONED else CANCELED
            await _fail(tx, pool, purchase, intent_id, code=code, reason=decline_advice(code, None), now=now)


async def _proceed(
    tx: Transaction,
    purchase: Row[Any],
    status: PurchaseStatus,
    *,
    intent_id: str | None,
    url: str | None,
    now: datetime,
) -> None:
    """Still open, one step on. Each step is told once."""
    await _set(tx, purchase.id, status=status, stripe_payment_intent_id=intent_id, next_action_url=url)
    if status != purchase.status:
        await note_step(tx, purchase, f"purchase.{status}", {}, now)


async def _fail(
    tx: Transaction,
    pool: LockedPool,
    purchase: Row[Any],
    intent_id: str | None,
    *,
    code: str,
    reason: str,
    now: datetime,
) -> None:
    await _set(
        tx,
        purchase.id,
        status=PurchaseStatus.FAILED,
        failed_at=now,
        failure_code=code,
        failure_reason=reason,
        next_action_url=None,
        stripe_payment_intent_id=intent_id,
    )
    await _tell(tx, purchase, "purchase.failed", {"code": code, "reason": reason}, now)
    if purchase.is_auto_purchase:
        await auto_purchases.failed(tx, pool, purchase, code=code, reason=reason, now=now)


async def _set(tx: Transaction, purchase_id: UUID, **values: Any) -> None:
    await tx.execute(
        update(CreditPurchase)
        .where(CreditPurchase.tenant_id == tx.tenant_id, CreditPurchase.id == purchase_id)
        .values(**values)
    )


async def _tell(tx: Transaction, purchase: Row[Any], event: str, data: dict[str, Any], now: datetime) -> None:
    """The billing event and the audit entry of an ended purchase."""
    await note_step(tx, purchase, event, data, now)
    await record(
        tx,
        action=event,
        pool_id=purchase.pool_id,
        actor_user_id=purchase.user_id,
        entity=("credit_purchase", purchase.id),
        after=data,
    )
