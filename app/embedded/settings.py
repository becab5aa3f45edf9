"""What development fills in where the environment is silent: the addresses and keys of the embedded parts.

Every value follows from the data directory and the port alone, so `portal token`, `portal doctor` and the rest find in
any terminal what `portal up` runs in another.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from app.config import Settings, SettingsError, refusal, variable
from app.embedded.postgres import EmbeddedPostgres

_LAST_PORT = 65535


def with_development_values(settings: Settings) -> Settings:
    """The settings with everything filled in. Makes the data directory and the secret key (once).

    Values of one part go together: with a Stripe key of your own nothing of the sandbox is filled in.
    """
    filled = settings.model_copy(update=_ports(settings))
    filled = filled.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()})
    filled = filled.model_copy(update={"secret_key": settings.secret_key or _kept_secret(filled.data_dir)})
    services = f"http://127.0.0.1:{filled.services_port}"
    return filled.model_copy(
        update={
            "public_url": settings.public_url or f"http://{_reachable(settings.host)}:{settings.port}",
            "oidc_issuer": settings.oidc_issuer or f"{services}/oidc",
            "smtp_url": settings.smtp_url or f"smtp://127.0.0.1:{filled.smtp_port}",
            **_database(filled),
            **_stripe(filled, services),
        }
    )


def uses_embedded_postgres(settings: Settings) -> bool:
    """Whether the portal's database is the embedded one: by the settings as read or as filled in."""
    return not settings.database_url or settings.database_url == _embedded_urls(settings)["database_url"]


def uses_embedded_services(settings: Settings) -> bool:
    """Whether Stripe, the issuer or the mailbox is one of the embedded ones."""
    services = f"http://127.0.0.1:{settings.services_port}/"
    mailbox = f"smtp://127.0.0.1:{settings.smtp_port}"
    return settings.env == "development" and (
        settings.stripe_api_base.startswith(services)
        or settings.oidc_issuer.startswith(services)
        or settings.smtp_url == mailbox
    )


def derived(secret_key: str, purpose: str) -> str:
    """A secret for one purpose (64 hex digits), the same for the same secret key."""
    return hmac.new(secret_key.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def _ports(settings: Settings) -> dict[str, Any]:
    ports = {
        "services_port": settings.services_port or settings.port + 1,
        "smtp_port": settings.smtp_port or settings.port + 2,
    }
    for name, port in ports.items():
        if port > _LAST_PORT:
            raise SettingsError(
                f"{variable(name)} is missing: with {variable('port')}={settings.port} it has no default"
            )
    return ports


def _reachable(host: str) -> str:
    """An address that a browser can open for the one that the server binds to."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _kept_secret(data_dir: Path) -> str:
    """The secret key of this data directory, made the first time; only its owner can read it."""
    path = data_dir / "secret-key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            making = path.with_name(f"{path.name}.{os.getpid()}")
            making.touch(mode=0o600)
            making.write_text(f"development-{secrets.token_hex(32)}", encoding="utf-8")
            with contextlib.suppress(FileExistsError):  # another process has just made it: then that one holds
                os.link(making, path)
            making.unlink()
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(refusal("data_dir", f"={data_dir} can't be used ({error.strerror})")) from None


def _database(settings: Settings) -> dict[str, str]:
    if not settings.database_url:
        return _embedded_urls(settings)
    roles = {"database_app_url": "portal_app", "database_worker_url": "portal_worker"}
    return {name: getattr(settings, name) or _as_role(settings, role) for name, role in roles.items()}


def _embedded_urls(settings: Settings) -> dict[str, str]:
    server = EmbeddedPostgres(settings.data_dir, settings.postgres_version)
    roles = {"database_url": "portal_owner", "database_app_url": "portal_app", "database_worker_url": "portal_worker"}
    return {name: server.url(role) for name, role in roles.items()}


def _as_role(settings: Settings, role: str) -> str:
    """The owner's URL with another role; `portal migrate` gives the role this password."""
    parts = urlsplit(settings.database_url)
    address = parts.netloc.rpartition("@")[2]
    password = derived(settings.secret_key, f"database password of {role}")
    return parts._replace(netloc=f"{quote(role)}:{password}@{address}").geturl()


def _stripe(settings: Settings, services: str) -> dict[str, str]:
    if not settings.stripe_api_key:
        return {
            "stripe_api_key": "sk_test_sandbox",
            "stripe_api_base": settings.stripe_api_base or f"{services}/stripe",
            "stripe_publishable_key": settings.stripe_publishable_key or "pk_test_sandbox",
            "stripe_webhook_secret": settings.stripe_webhook_secret
            or f"whsec_sandbox{derived(settings.secret_key, 'webhooks of the Stripe sandbox')}",
        }
    for name in ("stripe_webhook_secret", "stripe_publishable_key"):
        if not getattr(settings, name) and not settings.stripe_api_base:
            raise SettingsError(refusal(name, f"is missing, while {variable('stripe_api_key')} is set"))
    return {}
