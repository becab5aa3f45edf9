"""Cards of a pool and the saving of new ones."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from asyncpg import Record
from graphql import GraphQLError

from app.payments import outcomes
from app.payments.outcomes import SetupStatus
from app.rules.errors import PaymentsUnavailable
from app.rules.payment_methods import CardExpiry, CardUse, card_uses, expires_on, expiry, setup_advice
from app.rules.spending_limits import local_date
from graphql_schema.context import Context
from graphql_schema.errors import UserError
from graphql_schema.node import Node, split_id, to_id

if TYPE_CHECKING:
    from graphql_schema.pools import CreditPool

strawberry.enum(CardExpiry, name="CardExpiry", description="EXPIRING: ends this month or next.")
strawberry.enum(CardUse, name="CardUse", description="What is paid with a card without anybody at hand.")
strawberry.enum(SetupStatus, name="PaymentMethodSetupStatus", description="Stripe's words for how far it has come.")


@strawberry.type(description="A card that Stripe keeps for a pool.")
class PaymentMethod(Node):
    brand: str
    last4: str
    expires_on: date = strawberry.field(description="The last day on which it is good.")
    expiry: CardExpiry
    is_default: bool = strawberry.field(description="Invoices are paid with it.")
    used_by: list[CardUse] = strawberry.field(description="What needs it: as long as that is so, it can't be removed.")


@strawberry.type(description="A card on its way to being saved.")
class PaymentMethodSetup:
    id: strawberry.ID
    status: SetupStatus
    next_action_url: str | None = strawberry.field(description="REQUIRES_ACTION: where the bank asks for its step.")
    failure_reason: str | None = strawberry.field(description="Why the last attempt failed and what to do.")


@strawberry.type
class PaymentSetupPayload:
    setup: PaymentMethodSetup | None
    client_secret: str | None = strawberry.field(
        description="The page hands the card to Stripe with it; this server never sees the card."
    )
    pool: Annotated["CreditPool", strawberry.lazy("graphql_schema.pools")] | None
    user_errors: list[UserError]


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a pool's row says about its cards."""

    customer_id: str | None
    auto_method_id: str | None  # of automatic purchases, when they are on
    has_paid_subscription: bool
    time_zone: str


def as_wallet(row: Record) -> Wallet:
    """Out of a row of the POOLS statement."""
    return Wallet(
        customer_id=row["stripe_customer_id"],
        auto_method_id=row["auto_payment_method_id"] if row["auto_enabled"] else None,
        has_paid_subscription=row["subscription_tier_id"] not in {None, "FREE"},
        time_zone=row["time_zone"],
    )


async def cards_of(context: Context, wallet: Wallet) -> list[PaymentMethod]:
    """A pool's cards, as Stripe has them now. Raises a GraphQLError when it can't be reached: the rest of the answer stands."""
    try:
        found = await context.loaders.cards_by_customer.load(wallet.customer_id) if wallet.customer_id else []
    except PaymentsUnavailable as refusal:
        raise GraphQLError(refusal.message, extensions={"code": refusal.code.value}) from None
    return [_as_card(one, wallet, context.now) for one in found]


async def card_by_id(context: Context, method_id: str) -> PaymentMethod | None:
    """A card of a pool whose cards the viewer sees, or None. Stripe is asked first: an operation that waits for it holds no connection."""
    methods = context.services.payment_methods
    try:
        async with context.before_session() as before:
            card = await methods.lists.card(method_id, waits=before)
    except PaymentsUnavailable as refusal:
        await context.session()  # nobody we know: that comes first
        raise GraphQLError(refusal.message, extensions={"code": refusal.code.value}) from None
    pool_id = await methods.pool_that_shows(await context.session(), card)
    if card is None or pool_id is None:
        return None
    pool = await context.loaders.pool(pool_id)
    return _as_card(card, pool.wallet, context.now)


def stripe_id(given: str, type_name: str) -> str:
    """Stripe's own id out of a node's; the page also hands on Stripe's as it got it from there."""
    parts = split_id(given)
    return parts[1] if parts is not None and parts[0] == type_name else given


def as_setup(setup: outcomes.Setup) -> PaymentMethodSetup:
    """A setup as the API shows it."""
    failure = setup.code if setup.status is SetupStatus.REQUIRES_PAYMENT_METHOD else None
    return PaymentMethodSetup(
        id=to_id("PaymentMethodSetup", setup.id),
        status=setup.status,
        next_action_url=setup.redirect_url,
        failure_reason=setup_advice(failure) if failure else None,
    )


def _as_card(card: outcomes.PaymentMethod, wallet: Wallet, now: datetime) -> PaymentMethod:
    last_day = expires_on(card.exp_month, card.exp_year)
    return PaymentMethod(
        id=to_id("PaymentMethod", card.id),
        brand=card.brand,
        last4=card.last4,
        expires_on=last_day,
        expiry=expiry(last_day, local_date(now, wallet.time_zone)),
        is_default=card.is_default,
        used_by=card_uses(
            is_default=card.is_default,
            pays_auto_purchase=wallet.auto_method_id == card.id,
            has_paid_subscription=wallet.has_paid_subscription,
        ),
    )
