"""What production refuses: everything that is missing, and every value that belongs to development, by name."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from app.config import MIN_SECRET_LENGTH, Settings, first_of, refusal

_FEWEST_DISTINCT = 10  # characters: thirty-two times the same letter is no secret
_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - addresses to refuse, not to bind to


def refuse_development_values(settings: Settings) -> None:
    """SettingsError, one line, unless every setting is one that production may run with."""
    error = first_of(
        [*_keys(settings), *_database(settings), *_stripe(settings), *_identity(settings), *_mail(settings)]
    )
    if error:
        raise error


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine alone."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or host.startswith("127.") or host.endswith(".localhost")


def _keys(settings: Settings) -> Iterator[str]:
    key = settings.secret_key
    if not key:
        yield refusal("secret_key", "is missing")
    elif key.startswith("development-"):
        yield refusal("secret_key", "is the key that development made for itself")
    elif len(key) < MIN_SECRET_LENGTH or len(set(key)) < _FEWEST_DISTINCT:
        yield refusal("secret_key", "is too short or too simple")
    if settings.metrics_token and len(settings.metrics_token) < MIN_SECRET_LENGTH:
        yield refusal("metrics_token", "is too short")
    if not settings.public_url:
        yield refusal("public_url", "is missing")
    elif not settings.public_url.startswith("https://"):
        yield refusal("public_url", "is not https")


def _database(settings: Settings) -> Iterator[str]:
    urls = {name: getattr(settings, name) for name in ("database_url", "database_app_url", "database_worker_url")}
    for name, url in urls.items():
        if not url:
            yield refusal(name, "is missing")
        elif _is_embedded_socket(url):
            yield refusal(name, "is development's embedded PostgreSQL")
    owner = urlsplit(settings.database_url).username
    for name in ("database_app_url", "database_worker_url"):
        if urls[name] and urlsplit(urls[name]).username == owner:
            yield refusal(name, f"names the owner {owner}, whom row level security does not bind for good")


def _is_embedded_socket(url: str) -> bool:
    parts = urlsplit(url)
    directory = parse_qs(parts.query).get("host", [""])[0]
    return bool(re.search(r"^/var/lib/billing-portal/|/postgres/run-1\d$|/portal-\d+-[0-9a-f]{12}$", directory))


def _stripe(settings: Settings) -> Iterator[str]:
    for name, prefixes in (
        ("stripe_api_key", ("sk_live_", "rk_live_")),
        ("stripe_publishable_key", ("pk_live_",)),
        ("stripe_webhook_secret", ("whsec_",)),
    ):
        value = getattr(settings, name)
        if not value:
            yield refusal(name, "is missing")
        elif not value.startswith(prefixes):
            yield refusal(name, "is a test key" if "_test_" in value else "has the wrong form")
        elif "sandbox" in value:
            yield refusal(name, "is the Stripe sandbox's")
    base = settings.stripe_api_base
    if base and (is_loopback(base) or not base.startswith("https://")):
        yield refusal("stripe_api_base", "is a sandbox's")


def _identity(settings: Settings) -> Iterator[str]:
    issuer = settings.oidc_issuer
    if not issuer:
        yield refusal("oidc_issuer", "is missing")
    elif is_loopback(issuer):
        yield refusal("oidc_issuer", "is development's embedded issuer")
    elif not issuer.startswith("https://"):
        yield refusal("oidc_issuer", "is not https")


def _mailbox_ports(settings: Settings) -> set[int]:
    """Where the embedded mailbox receives: as set, and as every checkout has it."""
    return {settings.smtp_port or settings.port + 2, Settings.model_fields["port"].default + 2}


def _mail(settings: Settings) -> Iterator[str]:
    if not settings.smtp_url:
        yield refusal("smtp_url", "is missing")
    elif is_loopback(settings.smtp_url) and urlsplit(settings.smtp_url).port in _mailbox_ports(settings):
        yield refusal("smtp_url", "is the embedded mailbox of development")
    if settings.mail_from == Settings.model_fields["mail_from"].default:
        yield refusal("mail_from", "is missing")
