from collections.abc import AsyncIterator

import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.issuer import Issuer
from app.auth.tokens import TokenVerifier
from tests.auth.serving import AUDIENCE, ScriptedIssuer, new_browser, serving


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture(scope="session")
def other_rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture(scope="session")
def ec_key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@pytest.fixture(scope="session")
def ed_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", auto_kid=True)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_browser() as client:
        yield client


@pytest.fixture(scope="session")
async def scripted_server() -> AsyncIterator[ScriptedIssuer]:
    issuer = ScriptedIssuer()
    async with serving(issuer.app):
        yield issuer


@pytest.fixture
def scripted(scripted_server: ScriptedIssuer, rsa_key: RSAKey, ec_key: ECKey, ed_key: OKPKey) -> ScriptedIssuer:
    """An issuer that publishes an RSA, an EC and an Ed25519 key."""
    scripted_server.reset([rsa_key, ec_key, ed_key])
    return scripted_server


@pytest.fixture
def clock() -> Clock:
    """The monotonic clock of the issuer's cache."""
    return Clock(1000.0)


@pytest.fixture
def issuer(scripted: ScriptedIssuer, client: httpx.AsyncClient, clock: Clock) -> Issuer:
    return Issuer(scripted.url, client, ttl=600, cooldown=10, max_stale=3600, clock=clock)


@pytest.fixture
def verifier(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(issuer, AUDIENCE)
