"""The issuer's keys: rotation, storms of unknown key ids, outages."""

import asyncio
import time

import httpx
import pytest
from joserfc.jwk import OKPKey, RSAKey

from app.auth.actor import Unauthenticated
from app.auth.issuer import Issuer
from app.auth.refusals import Reason
from app.auth.tokens import TokenVerifier
from tests.auth.conftest import Clock
from tests.auth.serving import AUDIENCE, ScriptedIssuer, sign


async def refused(verifier: TokenVerifier, token: str) -> tuple[Reason, int]:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(token)
    return Reason(refusal.value.reason), refusal.value.status


async def test_keys_are_fetched_once_for_many_tokens(
    verifier: TokenVerifier, scripted: ScriptedIssuer, ed_key: OKPKey
) -> None:
    scripted.delay = 0.05
    tokens = [sign(scripted.claims(sub=f"user-{n}"), ed_key, "EdDSA") for n in range(50)]
    principals = await asyncio.gather(*map(verifier.verify, tokens))
    assert len({principal.subject for principal in principals}) == 50
    assert scripted.fetches == 1


async def test_a_new_key_is_found_without_waiting_for_the_ttl(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey, clock: Clock
) -> None:
    await verifier.verify(sign(scripted.claims(), rsa_key, "RS256"))
    scripted.keys.insert(0, other_rsa_key)
    clock.now += 11  # past the cooldown, far from the ttl
    await verifier.verify(sign(scripted.claims(), other_rsa_key, "RS256"))
    assert scripted.fetches == 2


async def test_random_key_ids_cause_no_storm(
    verifier: TokenVerifier, scripted: ScriptedIssuer, ed_key: OKPKey, clock: Clock
) -> None:
    await verifier.verify(sign(scripted.claims(), ed_key, "EdDSA"))
    evil = [sign(scripted.claims(), ed_key, "EdDSA", kid=f"random-{n}") for n in range(200)]
    answers = await asyncio.gather(*(refused(verifier, token) for token in evil))
    assert set(answers) == {(Reason.UNKNOWN_KEY, 401)}
    assert scripted.fetches == 1  # within the cooldown of the first
    clock.now += 11
    scripted.delay = 0.05
    await asyncio.gather(*(refused(verifier, token) for token in evil))
    assert scripted.fetches == 2  # and then one for all of them


async def test_a_key_rotated_out_is_good_for_no_longer_than_the_ttl(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey, clock: Clock
) -> None:
    token = sign(scripted.claims(), rsa_key, "RS256")
    await verifier.verify(token)
    scripted.keys = [other_rsa_key]
    clock.now += 599
    await verifier.verify(token)  # remembered, and nobody has said otherwise yet
    clock.now += 1
    assert await refused(verifier, token) == (Reason.UNKNOWN_KEY, 401)
    await verifier.verify(sign(scripted.claims(), other_rsa_key, "RS256"))


async def test_a_refetch_for_another_key_drops_what_the_old_one_had_proven(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey, clock: Clock
) -> None:
    token = sign(scripted.claims(), rsa_key, "RS256")
    await verifier.verify(token)
    scripted.keys = [other_rsa_key]
    clock.now += 11
    await verifier.verify(sign(scripted.claims(), other_rsa_key, "RS256"))
    assert await refused(verifier, token) == (Reason.UNKNOWN_KEY, 401)


async def test_the_same_key_id_with_another_key_inside_is_another_key(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey, clock: Clock
) -> None:
    token = sign(scripted.claims(), rsa_key, "RS256")
    await verifier.verify(token)
    scripted.keys = []
    scripted.extra_keys = [{**other_rsa_key.as_dict(private=False), "kid": rsa_key.kid}]
    clock.now += 600
    assert await refused(verifier, token) == (Reason.SIGNATURE, 401)


async def test_an_outage_leaves_known_keys_working_for_a_bounded_time(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, ed_key: OKPKey, clock: Clock
) -> None:
    remembered = sign(scripted.claims(), rsa_key, "RS256")
    await verifier.verify(remembered)
    scripted.down = True
    clock.now += 3599
    await verifier.verify(remembered)
    await verifier.verify(sign(scripted.claims(), ed_key, "EdDSA"))
    clock.now += 1
    assert await refused(verifier, remembered) == (Reason.ISSUER_UNAVAILABLE, 503)
    scripted.down = False
    clock.now += 10
    await verifier.verify(remembered)


async def test_an_outage_is_asked_about_once_a_cooldown(
    verifier: TokenVerifier, scripted: ScriptedIssuer, ed_key: OKPKey, clock: Clock, issuer: Issuer
) -> None:
    await verifier.verify(sign(scripted.claims(), ed_key, "EdDSA"))
    scripted.down = True
    clock.now += 700
    attempts = 0
    fetch = issuer._fetch

    async def counted() -> None:
        nonlocal attempts
        attempts += 1
        await fetch()

    issuer._fetch = counted  # type: ignore[method-assign]
    tokens = [sign(scripted.claims(sub=f"user-{n}"), ed_key, "EdDSA") for n in range(50)]
    await asyncio.gather(*map(verifier.verify, tokens))
    assert attempts == 1
    clock.now += 10
    await verifier.verify(sign(scripted.claims(sub="late"), ed_key, "EdDSA"))
    assert attempts == 2


async def test_an_issuer_that_starts_late_is_found_soon(client: httpx.AsyncClient, clock: Clock) -> None:
    verifier = TokenVerifier(Issuer("http://127.0.0.1:9", client, clock=clock), AUDIENCE)
    token = sign({}, OKPKey.generate_key("Ed25519", auto_kid=True), "EdDSA")
    assert await refused(verifier, token) == (Reason.ISSUER_UNAVAILABLE, 503)
    assert not verifier.issuer._may_fetch()
    clock.now += 1
    assert verifier.issuer._may_fetch()


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"authorization_endpoint": 5},
        {"padding": "x" * 300_000},
    ],
    ids=lambda value: next(iter(value)),
)
async def test_a_discovery_document_that_cannot_be_trusted_is_not(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, discovery: dict[str, object]
) -> None:
    scripted.discovery = discovery
    answer = await refused(verifier, sign(scripted.claims(), rsa_key, "RS256"))
    assert answer == (Reason.ISSUER_UNAVAILABLE, 503)
    assert scripted.fetches == 0


async def test_a_final_slash_in_the_issuers_name_is_the_issuers_choice(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey
) -> None:
    named = f"{scripted.url}/"
    scripted.discovery = {"issuer": named}
    assert await refused(verifier, sign(scripted.claims(), rsa_key, "RS256")) == (Reason.ISSUER, 401)
    await verifier.verify(sign(scripted.claims(iss=named), rsa_key, "RS256"))


async def test_a_caller_who_leaves_does_not_end_the_fetch_for_the_others(
    verifier: TokenVerifier, scripted: ScriptedIssuer, ed_key: OKPKey
) -> None:
    scripted.delay = 0.2
    token = sign(scripted.claims(), ed_key, "EdDSA")
    impatient = asyncio.create_task(verifier.verify(token))
    patient = asyncio.create_task(verifier.verify(token))
    await asyncio.sleep(0.1)
    impatient.cancel()
    assert (await patient).subject == "owner"
    assert scripted.fetches == 1


async def test_a_slow_issuer_is_given_up(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.issuer._TIMEOUT_SECONDS", 0.1)
    scripted.delay = 0.5
    started = time.monotonic()
    answer = await refused(verifier, sign(scripted.claims(), rsa_key, "RS256"))
    assert answer == (Reason.ISSUER_UNAVAILABLE, 503)
    assert time.monotonic() - started < 0.4
