"""The pool's customer at Stripe: made when first needed, kept at once, the same one for ever. It owns the pool's cards."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from app.payments.gateway import Gateway
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.pools import CreditPool
from models.tenants import User


@dataclass(frozen=True, slots=True)
class PoolCustomer:
    """A pool's customer id, if it has one, and the pool's name and its owner's address for making it."""

    tenant_id: UUID
    pool_id: UUID
    customer_id: str | None
    name: str
    email: str


async def read(tx: Transaction, pool_id: UUID) -> PoolCustomer | None:
    """The pool's customer as it is, or None: no such pool."""
    row = await tx.row(
        select(CreditPool.stripe_customer_id, CreditPool.name, User.email)
        .join(User, (User.tenant_id == CreditPool.tenant_id) & (User.id == CreditPool.owner_user_id))
        .where(CreditPool.tenant_id == tx.tenant_id, CreditPool.id == pool_id)
    )
    return PoolCustomer(tx.tenant_id, pool_id, row.stripe_customer_id, row.name, row.email) if row else None


async def pool_of(tx: Transaction, customer_id: str) -> UUID | None:
    """The pool whose customer this is, if the actor sees it."""
    found: UUID | None = await tx.scalar(
        select(CreditPool.id).where(CreditPool.tenant_id == tx.tenant_id, CreditPool.stripe_customer_id == customer_id)
    )
    return found


async def ensure(database: Database, gateway: Gateway, pool: PoolCustomer) -> str:
    """The customer's id, made and kept if there is none yet: of two made at once the first one stays. Raises GatewayUnavailable."""
    if pool.customer_id:
        return pool.customer_id
    made = await gateway.ensure_customer(
        tenant_id=pool.tenant_id, pool_id=pool.pool_id, email=pool.email, name=pool.name
    )
    this = (CreditPool.tenant_id == pool.tenant_id, CreditPool.id == pool.pool_id)
    async with database.transaction(Scope(pool.tenant_id, ActorKind.WORKER)) as tx:
        await tx.execute(
            update(CreditPool).where(*this, CreditPool.stripe_customer_id.is_(None)).values(stripe_customer_id=made)
        )
        return str(await tx.scalar(select(CreditPool.stripe_customer_id).where(*this)))
