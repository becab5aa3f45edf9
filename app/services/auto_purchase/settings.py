"""The plan of a pool's automatic purchases: changed by people who may spend its money, checked before anything is written (ruling 23)."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.auth.actor import Actor, Principal, Session, acting, utc_now
from app.payments.outcomes import GatewayError
from app.rules.auto_purchase import PATH, Plan, after_change, check, checked_quantity
from app.rules.errors import NotFound, PaymentsUnavailable, StaleVersion
from app.rules.permissions import Permission
from app.rules.pricing import price
from app.services import price_bands
from app.services.audit import record
from app.services.auto_purchase import books
from app.services.ledger import lock_pool
from app.services.purchases import Purchasing
from models.pools import CreditPool

_SPENDS_NOTHING = {"notify", "recipients"}


async def check_card(
    purchasing: Purchasing, principal: Principal, pool_id: UUID, version: int, values: Mapping[str, Any]
) -> None:
    """Before a change is written: the card that it leads to is attached to the pool's own customer. Asks Stripe, holds no lock.

    Raises Forbidden, NotFound (a stranger's card reads as one that does not exist), StaleVersion or PaymentsUnavailable.
    """
    async with acting(purchasing.database, principal, read_only=True) as session:
        _require(session.actor, pool_id, values)
        tx = session.tx
        pool = await tx.row(
            select(CreditPool.stripe_customer_id, CreditPool.version).where(
                CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id
            )
        )
        if pool is None:
            raise NotFound("pool", path=("poolId",))
        if pool.version != version:
            raise StaleVersion(current=pool.version, given=version)
        wanted = replace((await books.read(tx, pool_id)).plan, **values)
    if wanted.payment_method_id is None or not (wanted.enabled or "payment_method_id" in values):
        return
    try:
        method = await purchasing.gateway.payment_method(wanted.payment_method_id)
    except GatewayError:  # away, or it refuses
        raise PaymentsUnavailable from None
    if method is None or pool.stripe_customer_id is None or method.customer_id != pool.stripe_customer_id:
        raise NotFound("payment method", path=(*PATH, "paymentMethodId"))


async def change_plan(session: Session, pool_id: UUID, values: Mapping[str, Any]) -> bool:
    """Change the plan by the names of Plan's fields, the card checked and the version locked before; whether anything is other now.

    Armed again by it, with too little available, the first purchase is triggered by this very transaction. Raises Forbidden or Invalid.
    """
    _require(session.actor, pool_id, values)
    tx, now = session.tx, utc_now()
    pool = await lock_pool(tx, pool_id)
    found = (await books.read(tx, pool_id)).at(now)
    wanted = replace(found.plan, **values)
    wanted = replace(wanted, quantity=checked_quantity(wanted.quantity))
    check(wanted, price(wanted.quantity, await price_bands.current(tx)))
    switched_on = bool(values.get("enabled"))
    standing = after_change(found.plan, wanted, found.standing, switched_on=switched_on)
    if (wanted, standing) == (found.plan, found.standing):
        return False
    changed = replace(found, plan=wanted, standing=standing)
    if (replace(found.plan, notify=wanted.notify, recipients=wanted.recipients), standing) == (wanted, found.standing):
        await books.keep(tx, changed)  # who is told is no reason to buy
    else:
        await books.write(tx, changed, pool.available)
    await record(
        tx,
        action="auto_purchase.updated",
        pool_id=pool_id,
        actor_user_id=session.actor.user_id,
        entity=("credit_pool", pool_id),
        before=_shown(found.plan),
        after=_shown(wanted),
    )
    return True


def _require(actor: Actor, pool_id: UUID, values: Mapping[str, Any]) -> None:
    """Settings need MODIFY_SETTINGS; what makes the pool buy needs PURCHASE_CREDITS too. Switching off spends nothing."""
    actor.require(pool_id, Permission.MODIFY_SETTINGS)
    if set(values) - _SPENDS_NOTHING - {"enabled"} or values.get("enabled"):
        actor.require(pool_id, Permission.PURCHASE_CREDITS)


def _shown(plan: Plan) -> dict[str, Any]:
    """A plan as the audit trail keeps it: amounts as strings."""
    in_credits = {"threshold": plan.threshold, "quantity": plan.quantity, "cap_credits": plan.cap_credits}
    amounts = {name: None if amount is None else f"{amount:f}" for name, amount in in_credits.items()}
    return asdict(plan) | amounts | {"recipients": list(plan.recipients)}
