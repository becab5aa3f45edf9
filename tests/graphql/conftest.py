"""The real application over the module's database, the sandbox and an issuer of the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from joserfc.jwk import RSAKey

from app.config import Settings
from app.main import create_app
from app.services.quotes import QuoteSigner
from tests.auth.serving import ScriptedIssuer, serving
from tests.conftest import Urls
from tests.graphql.portal import SECRET, Portal, client_of, listening
from tests.payments.sandbox import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET


@pytest.fixture(scope="session")
def issuer_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture(scope="session")
async def issuer_of_tokens(issuer_key: RSAKey) -> AsyncIterator[ScriptedIssuer]:
    issuer = ScriptedIssuer()
    issuer.reset([issuer_key])
    async with serving(issuer.app):
        yield issuer


def settings_of(urls: Urls, sandbox_url: str, issuer_url: str, data: Path) -> Settings:
    """Settings of a portal on this database."""
    return Settings(
        env="development",
        public_url="http://127.0.0.1:8000",
        data_dir=data,
        secret_key=SECRET,
        database_app_url=urls.app,
        database_worker_url=urls.worker,
        database_pool_size=4,
        stripe_api_key=SECRET_KEY,
        stripe_api_base=sandbox_url,
        stripe_publishable_key=PUBLISHABLE_KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        oidc_issuer=issuer_url,
    )


@pytest.fixture(scope="module")
async def portal(
    urls: Urls,
    issuer_of_tokens: ScriptedIssuer,
    issuer_key: RSAKey,
    sandbox_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Portal]:
    """The application with the module's database."""
    settings = settings_of(urls, sandbox_url, issuer_of_tokens.url, tmp_path_factory.mktemp("portal"))
    statements: list[str] = []
    with listening(statements):
        app = create_app(settings)
        async with client_of(app) as client:
            yield Portal(app, client, issuer_of_tokens, issuer_key, QuoteSigner(SECRET), statements)


@pytest.fixture
async def other_portal(
    urls: Urls,
    issuer_of_tokens: ScriptedIssuer,
    issuer_key: RSAKey,
    sandbox_url: str,
    tmp_path: Path,
) -> AsyncIterator[Portal]:
    """A second application on the module's database, new in each test: with nothing in its memory, or with what it read itself."""
    app = create_app(settings_of(urls, sandbox_url, issuer_of_tokens.url, tmp_path))
    async with client_of(app) as client:
        yield Portal(app, client, issuer_of_tokens, issuer_key, QuoteSigner(SECRET))


@pytest.fixture(scope="module")
async def rows(inspector: asyncpg.Connection) -> asyncpg.Connection:
    """A superuser's connection: sees what is really there."""
    return inspector
