"""`portal doctor`: what is configured, reachable and migrated, and what is not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx
from rich.console import Console
from rich.text import Text

from app.commands.connection import connect, revision, where
from app.commands.failures import CommandError
from app.config import PROJECT, Settings, variable
from app.environment import load_settings
from app.payments.gateway import Gateway
from app.revision import newest_revision
from app.services.mail import server_of

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `problem` is empty when all is well."""

    subject: str
    state: str
    problem: str = ""


def doctor() -> bool:
    """Print the findings; True if nothing is wrong. SettingsError if the settings themselves are."""
    settings = load_settings()
    console = Console(highlight=False, soft_wrap=True)
    findings = asyncio.run(examine(settings))
    for finding in findings:
        mark = ("wrong", "bold red") if finding.problem else ("good ", "green")
        console.print(Text.assemble(mark, f" {finding.subject:<12} ", finding.problem or finding.state))
    return not any(finding.problem for finding in findings)


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that the portal needs; never raises for what it finds."""
    findings = [Finding("settings", f"{settings.env}, data in {settings.data_dir}")]
    findings += [finding async for finding in _database(settings)]
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
        findings += await asyncio.gather(
            _issuer(settings, client), _stripe(settings), _mail(settings), _portal(settings, client)
        )
    built = (PROJECT / "frontend" / "dist" / "index.html").is_file()
    return [*findings, Finding("page", "built", "" if built else "not built: make page")]


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    for subject, field in (
        ("owner role", "database_url"),
        ("app role", "database_app_url"),
        ("worker role", "database_worker_url"),
    ):
        url = getattr(settings, field)
        try:
            connection = await connect(url, field)
        except CommandError as error:
            yield Finding(subject, "", str(error))
            continue
        try:
            version = str(connection.get_server_version().major)
            yield Finding(subject, f"PostgreSQL {version} at {where(url)}", await _too_mighty(connection, field))
            if field == "database_url":
                found, needed = await revision(connection), newest_revision()
                behind = f"at revision {found or 'none'}, the code needs {needed}: portal migrate"
                yield Finding("migrations", f"at {needed}, the newest", "" if found == needed else behind)
            if field == "database_worker_url":
                yield Finding("jobs", "none waits for an operator", await _held(connection))
        finally:
            await connection.close()


async def _too_mighty(connection: asyncpg.Connection, field: str) -> str:
    """Row level security does not bind superusers and roles with BYPASSRLS."""
    if field == "database_url":
        return ""
    role = await connection.fetchrow(
        "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    )
    return f"{variable(field)}: the role {role[0]} is past row level security" if role and role[1] else ""


async def _held(connection: asyncpg.Connection) -> str:
    """What was tried often enough and is not tried again by itself (ruling 21)."""
    try:
        events = await connection.fetchval("SELECT count(*) FROM webhook_events WHERE parked_at IS NOT NULL")
        jobs = await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'failed'")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return ""  # not migrated, which is a finding of its own
    kept = {"Stripe events parked (webhook_events.error says why)": events, "jobs held (table pgqueuer)": jobs}
    return ", ".join(f"{count} {what}" for what, count in kept.items() if count)


async def _issuer(settings: Settings, client: httpx.AsyncClient) -> Finding:
    try:
        answer = await client.get(f"{settings.oidc_issuer}/.well-known/openid-configuration")
        named = answer.raise_for_status().json().get("issuer")
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        return Finding("sign-in", "", f"{variable('oidc_issuer')}: {settings.oidc_issuer} {_reason(error)}")
    wrong = f"{variable('oidc_issuer')}: {settings.oidc_issuer} calls itself {named}"
    return Finding("sign-in", settings.oidc_issuer, "" if named == settings.oidc_issuer else wrong)


async def _stripe(settings: Settings) -> Finding:
    gateway = Gateway(
        api_key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
        timeout_seconds=_SECONDS,
        max_network_retries=0,
    )
    try:
        found = await gateway.reachable()
    finally:
        await gateway.close()
    return Finding("Stripe", found.detail, "" if found.reachable else f"{variable('stripe_api_key')}: {found.detail}")


async def _mail(settings: Settings) -> Finding:
    host, port = server_of(settings.smtp_url)
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except OSError as error:  # TimeoutError is one
        return Finding("mail", "", f"{variable('smtp_url')}: {place} {_reason(error)}")
    return Finding("mail", place)


async def _portal(settings: Settings, client: httpx.AsyncClient) -> Finding:
    try:
        answer = await client.get(f"{settings.public_url}/readyz")
    except httpx.HTTPError as error:
        return Finding("portal", "", f"{settings.public_url} {_reason(error)}")
    not_ready = f"{settings.public_url}/readyz answers {answer.status_code}: {answer.text.strip()[:200]}"
    return Finding("portal", f"ready at {settings.public_url}", "" if answer.status_code == 200 else not_ready)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError | ConnectionError):
        return "can't be reached"
    return f"does not answer as it should ({str(error) or type(error).__name__})"
