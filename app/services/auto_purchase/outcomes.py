"""What the end of an automatic purchase means for the next: part of the transaction that applies the payment's outcome, once."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from app.rules.auto_purchase import Plan, Standing, Stop, advice, after_completion, after_dispute, after_failure
from app.rules.money import units
from app.rules.purchase_progress import card_text
from app.services.auto_purchase import books
from app.services.auto_purchase.books import Books
from app.services.auto_purchase.notices import Happening, tell
from app.services.auto_purchase.trigger import trigger
from app.services.ledger import LockedPool
from app.tenancy import Transaction


async def completed(tx: Transaction, pool: LockedPool, purchase: Row[Any], now: datetime) -> None:
    """Count it in the month in which its credits came; still below the threshold, the next one is due within the caps."""
    found = (await books.read(tx, pool.id)).at(now)
    counted = after_completion(
        found.standing, credits=purchase.credits_amount, cents=purchase.payment_amount_cents, now=now
    )
    await books.write(tx, replace(found, standing=counted), pool.available)
    bonus = f"{purchase.bonus_credits.normalize():f}" if purchase.bonus_credits else None
    data = _sold(found, purchase) | {"bonus": bonus}
    await tell(tx, Happening.BOUGHT, found.plan, pool.id, data, purchase_id=purchase.id)


async def failed(
    tx: Transaction, pool: LockedPool, purchase: Row[Any], *, code: str, reason: str, now: datetime
) -> None:
    """Back off, pause or switch off. The refusal of a card that has been replaced meanwhile says nothing about the new one; what has been
    stopped meanwhile stays so."""
    found = (await books.read(tx, pool.id)).at(now)
    plan, standing = found.plan, found.standing
    if plan.enabled and standing.stop is None and plan.payment_method_id == purchase.stripe_payment_method_id:
        plan, standing = after_failure(plan, standing, code, now)
    await books.write(tx, replace(found, plan=plan, standing=standing), pool.available)
    if standing.retry_after is not None:
        async with tx.driver() as connection:
            await trigger(connection, tx.tenant_id, pool.id, after=standing.retry_after - now)
    happening, data = _refusal(plan, standing, reason)
    await tell(tx, happening, found.plan, pool.id, _sold(found, purchase) | data, purchase_id=purchase.id)


async def disputed(tx: Transaction, pool: LockedPool, now: datetime) -> None:
    """The bank takes back what was paid for credits, by hand or by itself: what leaves the pool by that must not be charged anew."""
    found = (await books.read(tx, pool.id)).at(now)
    standing = after_dispute(found.plan, found.standing, now)
    if standing == found.standing:
        return
    await books.write(tx, replace(found, standing=standing), pool.available)
    pool.auto_purchase_below = None
    await tell(tx, Happening.PAUSED, found.plan, pool.id, {"reason": advice(Stop.DISPUTED)})


async def switch_off(tx: Transaction, found: Books, stop: Stop, available: Decimal, now: datetime) -> None:
    """The card is gone before anything was asked of it: nothing is bought by itself until a person chooses another."""
    plan, standing = after_failure(found.plan, found.standing, stop, now)
    await books.write(tx, replace(found, plan=plan, standing=standing), available)
    await tell(tx, Happening.SWITCHED_OFF, found.plan, found.pool_id, {"reason": advice(stop)})


def _refusal(plan: Plan, standing: Standing, reason: str) -> tuple[Happening, dict[str, Any]]:
    if standing.stop is not None:
        happening = Happening.PAUSED if plan.enabled else Happening.SWITCHED_OFF
        return happening, {"reason": advice(standing.stop)}
    retry_at = standing.retry_after.isoformat() if standing.retry_after else None
    return Happening.DECLINED, {"reason": reason, "retry_at": retry_at}


def _sold(found: Books, purchase: Row[Any]) -> dict[str, Any]:
    """The purchase as the notices name it."""
    return {
        "credits": f"{purchase.credits_amount.normalize():f}",
        "threshold": f"{found.plan.threshold.normalize():f}",
        "total": f"{units(purchase.payment_amount_cents)}",
        "currency": purchase.payment_currency,
        "card": card_text(purchase.payment_method),
    }
