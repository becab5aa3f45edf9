"""The mutations of cards. Stripe keeps them: each asks it with no transaction open, then the pool is read anew."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry

from app.auth.actor import Principal
from app.rules.errors import NotFound, Refusal
from graphql_schema.context import Context, Info
from graphql_schema.errors import as_user_error
from graphql_schema.node import uuid_of
from graphql_schema.payment_methods import PaymentSetupPayload, as_setup, stripe_id
from graphql_schema.pools import PoolPayload


@strawberry.type
class PaymentMethodMutations:
    @strawberry.mutation(
        description="Begin to save a card for the pool. The page confirms it at Stripe with the client secret."
    )
    async def payment_method_setup(self, info: Info, pool_id: strawberry.ID) -> PaymentSetupPayload:
        context, pool_key = info.context, uuid_of(pool_id, "CreditPool")
        try:
            if pool_key is None:
                raise NotFound("pool", path=("poolId",))
            setup = await context.services.payment_methods.start_setup(context.principal, pool_key)
        except Refusal as refusal:
            return _refused(refusal)
        await context.refresh()
        pool = await context.loaders.pool(pool_key)
        return PaymentSetupPayload(setup=as_setup(setup), client_secret=setup.client_secret, pool=pool, user_errors=[])

    @strawberry.mutation(
        description="What a setup has come to, asked after Stripe has taken the card. A pool's first card becomes its default."
    )
    async def payment_method_setup_finish(self, info: Info, id: strawberry.ID) -> PaymentSetupPayload:
        context = info.context
        try:
            setup, pool_key = await context.services.payment_methods.finish_setup(
                context.principal, stripe_id(id, "PaymentMethodSetup")
            )
        except Refusal as refusal:
            return _refused(refusal)
        await context.refresh()
        pool = await context.loaders.pool(pool_key)
        return PaymentSetupPayload(setup=as_setup(setup), client_secret=None, pool=pool, user_errors=[])

    @strawberry.mutation(description="Pay invoices with this card from now on.")
    async def payment_method_make_default(self, info: Info, id: strawberry.ID) -> PoolPayload:
        return await _change(info.context, id, info.context.services.payment_methods.make_default)

    @strawberry.mutation(
        description="Take a card away for good. Refused as long as automatic purchases or the subscription need it."
    )
    async def payment_method_remove(self, info: Info, id: strawberry.ID) -> PoolPayload:
        return await _change(info.context, id, info.context.services.payment_methods.remove)


async def _change(
    context: Context, method_id: strawberry.ID, change: Callable[[Principal, str], Awaitable[UUID]]
) -> PoolPayload:
    try:
        pool_key = await change(context.principal, stripe_id(method_id, "PaymentMethod"))
    except Refusal as refusal:
        return PoolPayload(pool=None, user_errors=[as_user_error(refusal)])
    await context.refresh()
    return PoolPayload(pool=await context.loaders.pool(pool_key), user_errors=[])


def _refused(refusal: Refusal) -> PaymentSetupPayload:
    return PaymentSetupPayload(setup=None, client_secret=None, pool=None, user_errors=[as_user_error(refusal)])
