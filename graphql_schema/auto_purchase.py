"""Automatic purchases: the plan of a pool, how it stands, and its change (ruling 23)."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry
from asyncpg import Record

from app.auth.actor import Actor
from app.rules.auto_purchase import State, Stop, advice, cap_cents, state
from app.rules.errors import Invalid
from app.rules.permissions import Permission
from app.services.auto_purchase import books
from app.services.payment_methods import SEES_CARDS
from graphql_schema.context import Info
from graphql_schema.money import Money, money
from graphql_schema.node import to_id
from graphql_schema.payment_methods import PaymentMethod, cards_of, stripe_id
from graphql_schema.selections import ASKED_ONCE

strawberry.enum(State, name="AutoPurchaseState")
strawberry.enum(Stop, name="AutoPurchaseStop")


@strawberry.type(
    description="Amounts in credits, or money where it says so. Both caps are of a month in the pool's time zone; null: none."
)
class AutoPurchaseSettings:
    enabled: bool
    state: State = strawberry.field(
        description="WAITING: for `retryAfter`, after a decline. PAUSED: somebody must act. OFF with a `stop`: switched off by the portal."
    )
    stop: Stop | None = strawberry.field(description="Why it stands still until a person switches it on again.")
    advice: str | None = strawberry.field(description="Why it stands still, and what a person can do about it.")
    threshold_credits: Decimal = strawberry.field(description="With less than this available, credits are bought.")
    purchase_credits: Decimal
    monthly_cap_credits: Decimal | None
    monthly_cap: Money | None
    credits_this_month: Decimal = strawberry.field(description="Bought by themselves, without bonus.")
    spent_this_month: Money
    purchases_this_month: int
    month_ends_at: datetime
    last_purchase_at: datetime | None
    retry_after: datetime | None
    notify_on_purchase: bool = strawberry.field(description="Refusals are mailed whatever this says.")
    recipients: list[str] = strawberry.field(description="Who is mailed; empty: the owner and the admins.")
    viewer_can_update: bool = strawberry.field(description="Takes MODIFY_SETTINGS and PURCHASE_CREDITS.")
    pool_key: strawberry.Private[UUID]
    method_id: strawberry.Private[str | None]
    sees_cards: strawberry.Private[bool]

    @strawberry.field(
        description="Null: none is chosen, it is no longer there, or you may not see the pool's cards.",
        metadata=ASKED_ONCE,
    )
    async def payment_method(self, info: Info) -> PaymentMethod | None:
        if self.method_id is None or not self.sees_cards:
            return None
        pool = await info.context.loaders.pool(self.pool_key)
        wanted = to_id("PaymentMethod", self.method_id)
        return next((card for card in await cards_of(info.context, pool.wallet) if card.id == wanted), None)


@strawberry.input(
    description="An absent field stays as it is; null takes a cap or the card away. `enabled: true` also resumes after a stop."
)
class AutoPurchaseInput:
    enabled: bool | None = strawberry.UNSET
    threshold_credits: Decimal | None = strawberry.UNSET
    purchase_credits: Decimal | None = strawberry.UNSET
    monthly_cap_credits: Decimal | None = strawberry.UNSET
    monthly_cap: Decimal | None = strawberry.field(default=strawberry.UNSET, description='Money: "250.00".')
    payment_method_id: strawberry.ID | None = strawberry.UNSET
    notify_on_purchase: bool | None = strawberry.UNSET
    recipients: list[str] | None = strawberry.UNSET


# The input's names and those of app/rules/auto_purchase.py:Plan; null means something where the second says so.
_PLAN = {
    "enabled": ("enabled", False),
    "threshold_credits": ("threshold", False),
    "purchase_credits": ("quantity", False),
    "monthly_cap_credits": ("cap_credits", True),
    "monthly_cap": ("cap_cents", True),
    "payment_method_id": ("payment_method_id", True),
    "notify_on_purchase": ("notify", False),
    "recipients": ("recipients", False),
}


def as_plan_change(given: AutoPurchaseInput | None) -> dict[str, Any]:
    """The fields that an input names, as fields of a Plan. Raises Invalid where null means nothing."""
    values: dict[str, Any] = {}
    for name, value in vars(given).items() if given else ():
        field, nullable = _PLAN[name]
        if value is strawberry.UNSET:
            continue
        if value is None and not nullable:
            camel = "".join(part.title() if i else part for i, part in enumerate(name.split("_")))
            raise Invalid(
                f"{camel} can't be null: leave it out to keep it as it is.",
                path=("patch", "autoPurchase", camel),
                reason="null",
            )
        values[field] = _plan_value(name, value)
    return values


def _plan_value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "monthly_cap":
        return cap_cents(value)
    if name == "payment_method_id":
        return stripe_id(value, "PaymentMethod")
    return tuple(value) if isinstance(value, list) else value


def as_auto_purchase(row: Record, actor: Actor, now: datetime) -> AutoPurchaseSettings:
    """A row of the AUTO_PURCHASES statement; a pool that has never set anything has the defaults of section 43.4."""
    found = books.stored(dict(row)).at(now)
    plan, standing, currency = found.plan, found.standing, row["currency"]
    assert standing.month_ends_at is not None  # noqa: S101  rolled over
    return AutoPurchaseSettings(
        enabled=plan.enabled,
        state=state(plan, standing, in_flight=found.in_flight),
        stop=standing.stop,
        advice=advice(standing.stop) if standing.stop else None,
        threshold_credits=plan.threshold,
        purchase_credits=plan.quantity,
        monthly_cap_credits=plan.cap_credits,
        monthly_cap=None if plan.cap_cents is None else money(plan.cap_cents, currency),
        credits_this_month=standing.credits,
        spent_this_month=money(standing.cents, currency),
        purchases_this_month=standing.purchases,
        month_ends_at=standing.month_ends_at,
        last_purchase_at=standing.bought_at,
        retry_after=standing.retry_after,
        notify_on_purchase=plan.notify,
        recipients=list(plan.recipients),
        viewer_can_update=all(
            actor.can(row["pool"], one) for one in (Permission.MODIFY_SETTINGS, Permission.PURCHASE_CREDITS)
        ),
        pool_key=row["pool"],
        method_id=plan.payment_method_id,
        sees_cards=any(actor.can(row["pool"], one) for one in SEES_CARDS),
    )
