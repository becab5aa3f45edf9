"""The root of reading."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from uuid import UUID

import strawberry
from graphql import GraphQLError

from app.auth.actor import Actor
from app.rules.errors import Forbidden, NotFound, Refusal
from app.rules.permissions import Permission
from app.rules.pricing import check_quantity, price
from graphql_schema import statements
from graphql_schema.context import Context, Info
from graphql_schema.errors import as_user_error
from graphql_schema.node import Node, split_id, to_id, uuid_of
from graphql_schema.pages import pages_ahead
from graphql_schema.payment_methods import card_by_id
from graphql_schema.pools import CreditPool
from graphql_schema.purchases import CreditQuotePayload, as_quote
from graphql_schema.selections import reads_ahead
from graphql_schema.spending import ReservationView, as_reservation, reservation_key
from graphql_schema.tiers import AddOn, CreditBand, Tier, as_add_on, as_band, tier_list, tiers_of
from graphql_schema.users import Tenant, User, Viewer, as_user


@strawberry.type
class Query:
    @strawberry.field(description="The person who asks; a service with an API key is no person.")
    async def viewer(self, info: Info) -> Viewer:
        context = info.context
        session = await context.session()
        user_id = _person(session.actor)
        (row,) = await session.tx.read(statements.VIEWER, tenant=session.tx.tenant_id, user=user_id)
        members = await context.loaders.member_by_id.load_many([one.id for one in session.actor.memberships])
        return Viewer(
            user=as_user(row["id"], row["email"], row["display_name"]),
            tenant=Tenant(id=to_id("Tenant", row["tenant_id"]), name=row["tenant_name"]),
            memberships=[member for member in members if member is not None],
            locale=row["locale"],
            time_zone=row["time_zone"],
        )

    @strawberry.field(description="Any thing by its id; null if there is no such thing for the viewer.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        parts = split_id(id)
        if parts and parts[0] == "PaymentMethod":
            return await card_by_id(info.context, parts[1])  # Stripe is asked before the session is opened
        await info.context.session()
        return await _node(info.context, *parts) if parts else None

    @strawberry.field(description="The tiers on offer, from the smallest to the largest.")
    async def tiers(self, info: Info) -> list[Tier]:
        await info.context.session()
        catalogue = await info.context.services.catalogue.current()
        return tier_list(catalogue)

    @strawberry.field
    async def add_ons(self, info: Info) -> list[AddOn]:
        await info.context.session()
        catalogue = await info.context.services.catalogue.current()
        return [as_add_on(add_on) for add_on in catalogue.add_ons]

    @strawberry.field(description="Price bands of prepaid credits, from the smallest quantity up.")
    async def credit_bands(self, info: Info) -> list[CreditBand]:
        return [as_band(band) for band in await info.context.loaders.price_bands()]

    @strawberry.field(
        description="A pool that the viewer belongs to; null if there is none with this id.",
        metadata=reads_ahead(pages_ahead),
    )
    async def pool(self, info: Info, id: strawberry.ID) -> CreditPool | None:
        await info.context.session()
        pool_id = uuid_of(id, "CreditPool")
        return await info.context.loaders.root_pool(pool_id) if pool_id else None

    @strawberry.field(
        description="What became of a request for credits by its requestId; null: nothing was ever held under it."
    )
    async def reservation(self, info: Info, request_id: UUID) -> ReservationView | None:
        return await _reservation(info.context, request_id)

    @strawberry.field(description="What a quantity of credits costs now: a promise for 15 minutes and one purchase.")
    async def credit_quote(self, info: Info, pool_id: strawberry.ID, credits: Decimal) -> CreditQuotePayload:
        try:
            return await _quote(info.context, pool_id, credits)
        except Refusal as refusal:
            return CreditQuotePayload(quote=None, user_errors=[as_user_error(refusal)])


def _person(actor: Actor) -> UUID:
    if actor.user_id is None:
        raise GraphQLError("An API key is no person: `viewer` needs a user's token.")
    return actor.user_id


async def _quote(context: Context, pool_id: strawberry.ID, quantity: Decimal) -> CreditQuotePayload:
    session = await context.session()
    actor = session.actor
    if actor.user_id is None:
        raise Forbidden("Only a person can buy credits; an API key can't.")
    pool_key = uuid_of(pool_id, "CreditPool")
    if pool_key is None:
        raise NotFound("pool", path=("poolId",))
    actor.require(pool_key, Permission.PURCHASE_CREDITS)
    bands = await context.loaders.price_bands()
    priced = price(check_quantity(quantity), bands)
    quote, token = context.services.signer.issue(actor.tenant_id, pool_key, actor.user_id, priced, context.now)
    return CreditQuotePayload(quote=as_quote(quote, token, bands), user_errors=[])


async def _node(context: Context, type_name: str, key: str) -> Node | None:
    """Find by type: the catalogue by its codes, everything else by UUID."""
    catalogue = await context.services.catalogue.current()
    if type_name == "Tier":
        return tiers_of(catalogue).get(key)
    if type_name == "AddOn":
        return next((as_add_on(one) for one in catalogue.add_ons if one.id == key), None)
    if type_name == "Reservation":
        return await _reservation_node(context, key)
    loaders = context.loaders
    finders: dict[str, Callable[[UUID], Awaitable[Node | None]]] = {
        "CreditPool": loaders.pool_by_id.load,
        "PoolMember": loaders.member_by_id.load,
        "CreditTransaction": loaders.transaction,
        "CreditPurchase": loaders.purchase,
        "Refund": loaders.visible_refund,
        "Dispute": loaders.visible_dispute,
        "Subscription": loaders.subscription,
        "User": partial(_user, context),
        "Tenant": partial(_tenant, context),
    }
    wanted = uuid_of(to_id(type_name, key), type_name)
    return await finders[type_name](wanted) if wanted and type_name in finders else None


async def _reservation(context: Context, reference: UUID) -> ReservationView | None:
    try:
        found = await context.services.spending.reservation(await context.session(), reference)
    except Forbidden as refusal:
        raise GraphQLError(refusal.message) from refusal
    return as_reservation(found) if found else None


async def _reservation_node(context: Context, key: str) -> ReservationView | None:
    try:
        _, reference = reservation_key(to_id("Reservation", key))
    except NotFound:
        return None
    return await _reservation(context, reference)


async def _user(context: Context, user_id: UUID) -> User | None:
    """The viewer, or someone with whom they share a pool in which they see members."""
    session = await context.session()
    if not session.actor.sees_people:
        return None
    row = await session.tx.read_one(
        statements.TENANT_USER, tenant=session.tx.tenant_id, id=user_id, viewer=session.actor.user_id
    )
    return as_user(row["id"], row["email"], row["display_name"]) if row else None


async def _tenant(context: Context, tenant_id: UUID) -> Tenant | None:
    session = await context.session()
    if tenant_id != session.tx.tenant_id:
        return None
    row = await session.tx.read_one(statements.TENANT, tenant=tenant_id)
    return Tenant(id=to_id("Tenant", tenant_id), name=row["name"]) if row else None
