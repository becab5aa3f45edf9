"""Commands that let somebody in: a demo person's token, a service's API key."""

import asyncio
from uuid import UUID

from app.commands.database import development_settings
from app.commands.failures import CommandError
from app.config import Settings
from app.environment import load_settings


def token(email: str) -> str:
    """A bearer token for a demo person, signed by the embedded issuer's key. CommandError if nobody has that address."""
    from app.embedded.demo_people import PEOPLE
    from app.embedded.oidc import mint

    settings = development_settings("token")
    if settings.oidc_issuer != f"http://127.0.0.1:{settings.services_port}/oidc":
        raise CommandError(f"PORTAL_OIDC_ISSUER={settings.oidc_issuer} is not the embedded issuer: ask it for a token")
    person = next((one for one in PEOPLE if one.email == email), None)
    if person is None:
        raise CommandError(f"no demo person is {email}; there are {', '.join(one.email for one in PEOPLE)}")
    return mint(settings.oidc_issuer, settings.data_dir / "oidc", person, audience=settings.oidc_audience)


def create_api_key(tenant: str, name: str, scopes: list[str], pool: str | None) -> str:
    """Create an API key of a tenant, for one pool or for all; returns its text, which is kept nowhere."""
    from app.auth.api_keys import ApiScope

    known = {scope.value for scope in ApiScope}
    if unknown := sorted(set(scopes) - known):
        raise CommandError(f"no such scope: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    tenant_id, pool_id = _uuid("--tenant", tenant), _uuid("--pool", pool) if pool else None
    return asyncio.run(_stored_key(load_settings(), tenant_id, name, sorted(set(scopes)), pool_id))


async def _stored_key(settings: Settings, tenant_id: UUID, name: str, scopes: list[str], pool_id: UUID | None) -> str:
    from sqlalchemy import insert, select

    from app.auth.api_keys import generate
    from app.tenancy import ActorKind, Database, Scope
    from models.api_keys import ApiKey
    from models.pools import CreditPool
    from models.tenants import Tenant

    key = generate(tenant_id)
    database = Database(settings.database_app_url, pool_size=1)
    try:
        async with database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx:
            if await tx.scalar(select(Tenant.id).where(Tenant.id == tenant_id)) is None:
                raise CommandError(f"there is no tenant {tenant_id}")
            pools = select(CreditPool.id).where(CreditPool.tenant_id == tenant_id, CreditPool.id == pool_id)
            if pool_id and await tx.scalar(pools) is None:
                raise CommandError(f"the tenant has no pool {pool_id}")
            row = {"tenant_id": tenant_id, "id": key.key_id, "pool_id": pool_id, "name": name, "scopes": scopes}
            await tx.execute(insert(ApiKey).values(**row, key_hash=key.secret_hash, prefix=key.prefix))
    finally:
        await database.close()
    return key.text


def _uuid(option: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{option} {text} is no id: expected a UUID") from None
