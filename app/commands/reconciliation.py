"""`portal reconcile`: purchases and refunds against what Stripe has."""

import asyncio
import logging
import sys
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.commands.failures import CommandError
from app.config import Settings
from app.environment import load_settings
from app.logging import configure_logging
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayUnavailable
from app.services.inbox import Inbox
from app.services.purchases import Purchasing
from app.services.quotes import QuoteSigner
from app.services.reconciliation import Reconciliation
from app.services.reconciliation_report import Report
from app.tenancy import Database

_PIPED_WIDTH = 240  # columns, where there is no terminal whose width would count


def reconcile(days: int, tenant: UUID | None, *, dry_run: bool) -> bool:
    """Compare, put right, print what was found; whether everything could be explained. CommandError without such a tenant or Stripe."""
    settings = load_settings()
    configure_logging(production=settings.env == "production")
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("reconciliation").setLevel(logging.CRITICAL)  # the table says it
    report = asyncio.run(_reconcile(settings, days, tenant, dry_run=dry_run))
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    if report.findings:
        console.print(_table(report, dry_run=dry_run))
    console.print(_verdict(report, days, dry_run=dry_run), soft_wrap=True)
    return not report.unexplained


async def _reconcile(settings: Settings, days: int, tenant: UUID | None, *, dry_run: bool) -> Report:
    database, inbox = Database(settings.database_app_url, pool_size=1), Inbox(settings.database_worker_url, size=1)
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )
    purchasing = Purchasing(database, gateway, QuoteSigner(settings.secret_key), settings.public_url)

    async def chosen() -> list[UUID]:
        return [one for one in await inbox.tenants() if tenant in {None, one}]

    try:
        if not await chosen() and tenant is not None:
            raise CommandError(f"there is no tenant {tenant}")
        work = Reconciliation(database, gateway, purchasing)
        return await work.run(chosen, days=days, dry_run=dry_run, whole=tenant is None)
    except GatewayUnavailable as error:
        raise CommandError(
            f"Stripe can't be asked: {error}. What was put right so far stays so; run it again."
        ) from error
    finally:
        await asyncio.gather(gateway.close(), inbox.close(), database.close())


def _table(report: Report, *, dry_run: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tenant", "what", "at Stripe", "result"):
        table.add_column(name, no_wrap=True)
    table.add_column("")
    for one in sorted(report.findings, key=lambda one: one.explained):
        result = (
            Text("would change" if dry_run else "put right", "green") if one.explained else Text("unexplained", "red")
        )
        table.add_row(str(one.tenant_id), one.subject, one.stripe_id or "-", result, Text(one.what))
    return table


def _verdict(report: Report, days: int, *, dry_run: bool) -> str:
    put_right = len(report.findings) - len(report.unexplained)
    done = f"{put_right} would be put right" if dry_run else f"{put_right} put right"
    return (
        f"{report.purchases} purchases and {report.payments} payments of the last {days} days compared, "
        f"{report.foreign} of the payments no purchase of any portal: {done}, {len(report.unexplained)} unexplained."
    )
