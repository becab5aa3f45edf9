"""Settings: environment variables `PORTAL_*` -> one frozen object. docs/settings.md has the table of them.

Whatever is wrong with them stops the start with one line (SettingsError): the variable, and what would be right.
app/environment.py completes them for development and refuses gaps in production.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "PORTAL_"
MIN_SECRET_LENGTH = 32  # characters


class SettingsError(Exception):
    """A variable is missing or wrong; the message is one line for people."""


def _postgresql(url: str) -> str:
    """Accept the forms that people write, and name the driver that the portal uses."""
    scheme, separator, rest = url.partition("://")
    if url and (not separator or scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}):
        raise ValueError("not a PostgreSQL URL")
    return f"postgresql+asyncpg://{rest}" if url else ""


def _web_address(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("not an http(s) URL")
    return url.rstrip("/")


def _mail_address(url: str) -> str:
    if url and not url.startswith(("smtp://", "smtps://")):
        raise ValueError("not an smtp(s) URL")
    return url


PostgresUrl = Annotated[str, AfterValidator(_postgresql)]
WebUrl = Annotated[str, AfterValidator(_web_address)]
SmtpUrl = Annotated[str, AfterValidator(_mail_address)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Everything that a deployment can set. Read once at the start and handed down; nothing else reads the environment.

    Each description says what a right value is: error messages quote it. Secrets stay out of `repr`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    env: Literal["development", "production"] = Field("development", description="development or production")
    host: str = Field("127.0.0.1", description="the address to serve on")
    port: Port = Field(8000, description="the port to serve on, 1 to 65535")
    public_url: WebUrl = Field("", description="where browsers reach the portal, such as https://billing.example.com")
    allowed_hosts: str = Field("", description="further host names that requests may name, comma separated")
    trusted_proxies: str = Field(
        "",
        description="addresses or networks of the reverse proxies whose X-Forwarded-* headers are believed, comma separated",
    )
    max_connections: int = Field(1000, ge=10, description="connections of one process; the next one gets 503")
    data_dir: Path = Field(PROJECT / ".portal", description="a directory for development data and logs")
    secret_key: str = Field("", repr=False, description=f"at least {MIN_SECRET_LENGTH} random characters")

    database_url: PostgresUrl = Field(
        "", repr=False, description="postgresql://portal_owner:...@host/portal: owns the tables and migrates"
    )
    database_app_url: PostgresUrl = Field(
        "", repr=False, description="postgresql://portal_app:...@host/portal: serves, under row level security"
    )
    database_worker_url: PostgresUrl = Field(
        "", repr=False, description="postgresql://portal_worker:...@host/portal: the inbox and the queue"
    )
    database_pool_size: int = Field(16, ge=1, le=500, description="connections of one process, 1 to 500")

    stripe_api_key: str = Field("", repr=False, description="a secret key of Stripe, sk_live_... or rk_live_...")
    stripe_api_base: WebUrl = Field("", description="empty for Stripe itself")
    stripe_publishable_key: str = Field("", description="the publishable key of the same account, pk_live_...")
    stripe_webhook_secret: str = Field("", repr=False, description="the signing secret of the endpoint, whsec_...")

    oidc_issuer: WebUrl = Field("", description="the https address of the identity provider")
    oidc_audience: str = Field("billing-portal", description="the audience that tokens must name")
    oidc_client_id: str = Field("billing-portal", description="the client that the page signs in with")
    oidc_client_secret: str = Field("", repr=False, description="its secret; empty for a public client")
    oidc_scope: str = Field("openid email profile", description="what the page's sign-in asks for")
    oidc_tenant_claim: str = Field("tenant_id", description="the claim that names the tenant")

    smtp_url: SmtpUrl = Field("", repr=False, description="smtp://user:password@host:587 of the mail server")
    mail_from: str = Field("Billing <billing@portal.example>", description="the sender, Name <address>")

    metrics_token: str = Field(
        "", repr=False, description=f"at least {MIN_SECRET_LENGTH} random characters; empty: there is no /metrics"
    )
    worker_metrics_port: Port | None = Field(None, description="a port of 127.0.0.1 for the worker's metrics")

    postgres_version: Literal["16", "18"] = Field("18", description="the embedded PostgreSQL's version, 16 or 18")
    services_port: Port | None = Field(None, description="the embedded services' port; by default PORTAL_PORT + 1")
    smtp_port: Port | None = Field(None, description="the embedded mailbox's SMTP port; by default PORTAL_PORT + 2")


def variable(field: str) -> str:
    """The environment variable of a field of Settings."""
    return PREFIX + field.upper()


def read_settings() -> Settings:
    """The settings as the environment says, nothing filled in. SettingsError for a value of the wrong form."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_in_one_line(error)) from None


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A warning for each PORTAL_ variable that no setting reads, with the nearest that one does."""
    known = {variable(field) for field in Settings.model_fields}
    warnings = []
    for name in sorted(set(environment) - known):
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_"):  # those are the test suite's
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            warnings.append(f"{name} is no setting of the portal; the nearest is {near}")
    return warnings


def refusal(field: str, problem: str) -> str:
    """One line about a field: its variable, what is wrong with it, what would be right."""
    return f"{variable(field)} {problem}: expected {Settings.model_fields[field].description}"


def first_of(problems: Iterable[str]) -> SettingsError | None:
    """One error for many problems: the first one in full, the others by their variable."""
    first, *others = [*problems] or [""]
    if others:
        first += f" (also to set right: {', '.join(sorted({other.split()[0] for other in others}))})"
    return SettingsError(first) if first else None


def _in_one_line(error: ValidationError) -> str:
    def problem(details: Mapping[str, Any]) -> str:
        field = str(details["loc"][0])
        shown = "" if Settings.model_fields[field].repr is False else f"={details['input']!s}"
        return f"{variable(field)}{shown} is wrong: expected {Settings.model_fields[field].description}"

    return str(first_of(problem(dict(details)) for details in error.errors()))
