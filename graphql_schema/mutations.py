"""The root of writing. Each mutation: one service in one transaction, refusals as data, then the payload read anew."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import strawberry

from app.auth.actor import Session, acting
from app.rules.errors import Invalid, NotFound, PaymentDeclined, Refusal
from app.rules.permissions import Permission
from app.rules.purchases import PurchaseStatus
from app.services.auto_purchase.settings import check_card
from app.services.members import change_limits, change_permissions
from app.services.pool_settings import change_settings, member_users
from app.services.purchases import PurchaseCommand
from graphql_schema.auto_purchase import as_plan_change
from graphql_schema.context import Context, Info
from graphql_schema.errors import UserError, as_user_error
from graphql_schema.members import PoolMember
from graphql_schema.node import uuid_of
from graphql_schema.payment_methods import stripe_id
from graphql_schema.pool_settings import SettingsPatch, as_change
from graphql_schema.pools import PoolPayload
from graphql_schema.purchases import PurchasePayload


@strawberry.input(description="Limits in credits. An absent field stays as it is; null lifts the limit.")
class LimitsInput:
    daily_credits: Decimal | None = strawberry.UNSET
    monthly_credits: Decimal | None = strawberry.UNSET
    max_credits_per_request: Decimal | None = strawberry.UNSET


@strawberry.type
class PoolMemberPayload:
    member: PoolMember | None
    user_errors: list[UserError]


@strawberry.type
class Mutation:
    @strawberry.mutation(
        description="Buy by a quote. The same key and arguments again give the same purchase and charge nothing more."
    )
    async def credits_purchase(
        self, info: Info, quote_id: strawberry.ID, payment_method_id: strawberry.ID, idempotency_key: UUID
    ) -> PurchasePayload:
        context = info.context
        command = PurchaseCommand(quote_id, stripe_id(payment_method_id, "PaymentMethod"), idempotency_key)
        try:
            purchase_id = await context.services.purchasing.buy(context.principal, command)
        except Refusal as refusal:
            return PurchasePayload(purchase=None, user_errors=[as_user_error(refusal)])
        await context.refresh()
        purchase = await context.loaders.purchase(purchase_id)
        if purchase is None or purchase.status is not PurchaseStatus.FAILED:
            return PurchasePayload(purchase=purchase, user_errors=[])
        declined = PaymentDeclined(purchase.failure_reason or "The payment was declined.", path=("paymentMethodId",))
        return PurchasePayload(purchase=purchase, user_errors=[as_user_error(declined)])

    @strawberry.mutation(
        description="Change settings of the version that you have read; absent fields stay as they are."
    )
    async def pool_settings_update(
        self, info: Info, pool_id: strawberry.ID, version: int, patch: SettingsPatch
    ) -> PoolPayload:
        pool_key = uuid_of(pool_id, "CreditPool")

        async def change(session: Session) -> None:
            if pool_key is None:
                raise NotFound("pool", path=("poolId",))
            session.actor.require(pool_key, Permission.MODIFY_SETTINGS)
            users = await member_users(session, pool_key, _underage_keys(patch))
            await change_settings(session, pool_key, version, as_change(patch, users))

        try:
            plan = as_plan_change(patch.auto_purchase or None)
            if plan and pool_key is not None:
                # Stripe is asked before the pool is locked.
                await check_card(info.context.services.purchasing, info.context.principal, pool_key, version, plan)
        except Refusal as refusal:
            return PoolPayload(pool=None, user_errors=[as_user_error(refusal)])
        errors = await _write(info.context, change)
        if errors or pool_key is None:
            return PoolPayload(pool=None, user_errors=errors)
        return PoolPayload(pool=await info.context.loaders.pool(pool_key), user_errors=[])

    @strawberry.mutation(description="Set a member's limits.")
    async def member_limits_update(
        self,
        info: Info,
        id: strawberry.ID,
        limits: LimitsInput,
    ) -> PoolMemberPayload:
        given = {
            "daily": limits.daily_credits,
            "monthly": limits.monthly_credits,
            "per_request": limits.max_credits_per_request,
        }
        wanted = {name: limit for name, limit in given.items() if limit is not strawberry.UNSET}
        return await _change_member(info.context, id, lambda session, key: change_limits(session, key, wanted))

    @strawberry.mutation(description="Set which of the six permissions a member has.")
    async def member_permissions_update(
        self,
        info: Info,
        id: strawberry.ID,
        permissions: list[Permission],
    ) -> PoolMemberPayload:
        return await _change_member(
            info.context, id, lambda session, key: change_permissions(session, key, permissions)
        )


async def _write(context: Context, change: Callable[[Session], Awaitable[None]]) -> list[UserError]:
    """Run a change in its transaction. A refusal is raised inside it, so that it rolls back, and translated here, outside."""
    try:
        async with acting(context.services.database, context.principal) as session:
            await change(session)
    except Refusal as refusal:
        return [as_user_error(refusal)]
    finally:
        await context.refresh()
    return []


async def _change_member(
    context: Context, member_id: strawberry.ID, change: Callable[[Session, UUID], Awaitable[None]]
) -> PoolMemberPayload:
    key = uuid_of(member_id, "PoolMember")

    async def apply(session: Session) -> None:
        if key is None:
            raise NotFound("member", path=("id",))
        await change(session, key)

    errors = await _write(context, apply)
    if errors or key is None:
        return PoolMemberPayload(member=None, user_errors=errors)
    return PoolMemberPayload(member=await context.loaders.member_by_id.load(key), user_errors=[])


def _underage_keys(patch: SettingsPatch) -> list[UUID]:
    """The members that a patch names as underage, by key. Raises Invalid for an id that is no member's."""
    ids = patch.family.underage_member_ids if patch.family else None
    keys = [uuid_of(one, "PoolMember") for one in ids or []]
    if None in keys:
        raise Invalid(
            "An underage member must be a member of this pool.",
            path=("patch", "family", "underageMemberIds"),
            reason="underage_unknown",
        )
    return [key for key in keys if key is not None]
