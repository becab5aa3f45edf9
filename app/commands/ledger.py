"""Commands on the ledger."""

import asyncio
import sys
from uuid import UUID

from app.commands.connection import connect
from app.commands.failures import CommandError
from app.environment import load_settings
from app.rules.errors import Invalid, NotFound
from app.services.ledger_audit import audit, tenants
from app.services.ledger_rebuild import rebuild
from app.tenancy import ActorKind, Database, Scope


def audit_ledger() -> bool:
    """Audit every tenant's ledger and print each fault; whether there was none."""
    return asyncio.run(_audit())


def rebuild_pool(pool: str) -> None:
    """Restore a pool's balances from its ledger and print them. Raises CommandError if there is no such pool."""
    restored = asyncio.run(_rebuild(UUID(pool)))
    sys.stdout.write(", ".join(f"{name} {amount}" for name, amount in restored.items()) + "\n")


async def _rebuild(pool_id: UUID) -> dict[str, str]:
    settings = load_settings()
    database = Database(settings.database_app_url, pool_size=1)
    try:
        for tenant_id in await _tenants(settings.database_url):
            async with database.transaction(Scope(tenant_id, ActorKind.WORKER)) as tx:
                try:
                    return await rebuild(tx, pool_id)
                except NotFound:
                    continue
                except Invalid as impossible:
                    raise CommandError(impossible.message) from impossible
    finally:
        await database.close()
    raise CommandError(f"there is no pool {pool_id}")


async def _tenants(owner_url: str) -> list[UUID]:
    owner = await connect(owner_url)
    try:
        return await tenants(owner)
    finally:
        await owner.close()


async def _audit() -> bool:
    settings = load_settings()
    every_tenant = await _tenants(settings.database_url)
    database = Database(settings.database_app_url, pool_size=1)
    faults = 0
    try:
        for tenant_id in every_tenant:
            async for fault in audit(database, tenant_id):
                faults += 1
                sys.stdout.write(
                    f"tenant {fault.tenant_id} pool {fault.pool_id}: not so: {fault.proof}: {fault.detail}\n"
                )
    finally:
        await database.close()
    verdict = "every balance follows from its ledger" if not faults else f"{faults} faults"
    sys.stdout.write(f"{len(every_tenant)} tenants audited: {verdict}.\n")
    return not faults
