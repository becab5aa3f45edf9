"""Commands on the ledger."""

import asyncio
import sys

from app.commands.connection import connect
from app.environment import load_settings
from app.services.ledger_audit import audit, tenants
from app.tenancy import Database


def audit_ledger() -> bool:
    """Audit every tenant's ledger and print each fault; whether there was none."""
    return asyncio.run(_audit())


async def _audit() -> bool:
    settings = load_settings()
    owner = await connect(settings.database_url)
    try:
        every_tenant = await tenants(owner)
    finally:
        await owner.close()
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
