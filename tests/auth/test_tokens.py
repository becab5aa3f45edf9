"""Every token that must not get in, each refused with its own reason; and the good ones of every algorithm."""

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from app.auth.actor import Unauthenticated, UserPrincipal
from app.auth.issuer import Issuer
from app.auth.refusals import Reason
from app.auth.tokens import LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenVerifier
from tests.auth.conftest import Clock
from tests.auth.serving import AUDIENCE, TENANT, Key, ScriptedIssuer, sign


async def refused(verifier: TokenVerifier, token: str) -> Reason:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(token)
    assert refusal.value.status == 401
    return Reason(refusal.value.reason)


def b64(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_good_tokens_of_every_allowed_algorithm(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, ec_key: ECKey, ed_key: OKPKey
) -> None:
    claims = scripted.claims()
    expected = UserPrincipal(TENANT, "owner", datetime.fromtimestamp(claims["exp"], UTC))
    pairs: list[tuple[Key, str]] = [
        (rsa_key, "RS256"),
        (rsa_key, "PS256"),
        (ec_key, "ES256"),
        (ed_key, "EdDSA"),
        (ed_key, "Ed25519"),
    ]
    for key, algorithm in pairs:
        assert await verifier.verify(sign(claims, key, algorithm)) == expected, algorithm
    assert await verifier.verify(sign({**claims, "aud": ["other", AUDIENCE]}, rsa_key, "RS256")) == expected
    assert await verifier.verify(sign(claims, rsa_key, "RS256", typ="at+jwt")) == expected


def _at(seconds: int) -> int:
    return int(time.time()) + seconds


BAD_CLAIMS: list[tuple[dict[str, Any], Reason]] = [
    ({"iss": "https://evil.example"}, Reason.ISSUER),
    ({"iss": ["https://evil.example"]}, Reason.ISSUER),
    ({"iss": None}, Reason.CLAIM_MISSING),
    ({"aud": "another-service"}, Reason.AUDIENCE),
    ({"aud": ["a", "b"]}, Reason.AUDIENCE),
    ({"aud": []}, Reason.AUDIENCE),
    ({"aud": {"billing-portal": 1}}, Reason.AUDIENCE),
    ({"aud": None}, Reason.CLAIM_MISSING),
    ({"exp": _at(-LEEWAY_SECONDS - 1)}, Reason.EXPIRED),
    ({"exp": 0}, Reason.EXPIRED),
    ({"exp": None}, Reason.CLAIM_MISSING),
    ({"exp": "2099-01-01"}, Reason.TOKEN_MALFORMED),
    ({"exp": float("nan")}, Reason.TOKEN_MALFORMED),
    ({"exp": float("inf")}, Reason.TOKEN_MALFORMED),
    ({"exp": True}, Reason.TOKEN_MALFORMED),
    ({"exp": 10**30}, Reason.TOKEN_MALFORMED),
    ({"nbf": _at(3600)}, Reason.NOT_YET_VALID),
    ({"nbf": "tomorrow"}, Reason.NOT_YET_VALID),
    ({"iat": _at(3600)}, Reason.ISSUED_IN_FUTURE),
    ({"nonce": "of-a-sign-in"}, Reason.TOKEN_TYPE),  # an ID token
    ({"at_hash": "x"}, Reason.TOKEN_TYPE),
    ({"sub": None}, Reason.CLAIM_MISSING),
    ({"sub": ""}, Reason.SUBJECT),
    ({"sub": 7}, Reason.SUBJECT),
    ({"sub": "x" * 256}, Reason.SUBJECT),
    ({"sub": "a\x00b"}, Reason.SUBJECT),
    ({"tenant_id": None}, Reason.TENANT_MISSING),
    ({"tenant_id": "rivera"}, Reason.TENANT_NOT_A_UUID),
    ({"tenant_id": ""}, Reason.TENANT_NOT_A_UUID),
    ({"tenant_id": 5}, Reason.TENANT_NOT_A_UUID),
    ({"tenant_id": [str(TENANT)]}, Reason.TENANT_NOT_A_UUID),
]


@pytest.mark.parametrize(("changes", "reason"), BAD_CLAIMS, ids=lambda value: repr(value)[:50])
async def test_wrong_claims_are_refused(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, changes: dict[str, Any], reason: Reason
) -> None:
    assert await refused(verifier, sign(scripted.claims(**changes), rsa_key, "RS256")) == reason


async def test_clocks_may_differ_a_little_and_no_more(
    issuer: Issuer, scripted: ScriptedIssuer, rsa_key: RSAKey
) -> None:
    now = Clock(time.time())
    verifier = TokenVerifier(issuer, AUDIENCE, clock=now)
    claims = scripted.claims(exp=int(now()) + 100)
    token = sign(claims, rsa_key, "RS256")
    now.now = claims["exp"] + LEEWAY_SECONDS - 1
    await verifier.verify(token)
    now.now = claims["exp"] + LEEWAY_SECONDS
    assert await refused(verifier, token) == Reason.EXPIRED
    assert LEEWAY_SECONDS <= 60


async def test_algorithm_none_in_every_spelling(verifier: TokenVerifier, scripted: ScriptedIssuer) -> None:
    for name in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", b64(b"x" * 256)):
            token = f"{b64({'alg': name})}.{b64(scripted.claims())}.{signature}"
            assert await refused(verifier, token) == Reason.ALGORITHM


async def test_the_public_key_is_no_hmac_secret(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, ec_key: ECKey
) -> None:
    for key in (rsa_key, ec_key):
        for public in (key.as_pem(private=False), key.as_der(private=False)):
            # joserfc itself refuses such a secret; an attacker's library does not.
            secret = OctKey(public, public)
            for algorithm in ("HS256", "HS384", "HS512"):
                forged = sign(scripted.claims(), secret, algorithm, kid=key.kid)
                assert await refused(verifier, forged) == Reason.ALGORITHM


async def test_the_key_decides_the_algorithm(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, ec_key: ECKey
) -> None:
    # An RSA key's id with an EC algorithm: no such key, whatever the signature.
    assert await refused(verifier, sign(scripted.claims(), ec_key, "ES256", kid=rsa_key.kid)) == Reason.UNKNOWN_KEY
    for algorithm in ("RS384", "RS512", "PS512"):
        assert await refused(verifier, sign(scripted.claims(), rsa_key, algorithm)) == Reason.ALGORITHM


async def test_a_key_made_for_one_algorithm_serves_no_other(
    verifier: TokenVerifier, scripted: ScriptedIssuer, other_rsa_key: RSAKey
) -> None:
    scripted.extra_keys = [{**other_rsa_key.as_dict(private=False), "alg": "PS256"}]
    assert await refused(verifier, sign(scripted.claims(), other_rsa_key, "RS256")) == Reason.UNKNOWN_KEY
    await verifier.verify(sign(scripted.claims(), other_rsa_key, "PS256"))


async def test_keys_of_the_wrong_kind_are_not_used_and_do_no_harm(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey
) -> None:
    secret = OctKey.generate_key(256, auto_kid=True)
    p384 = ECKey.generate_key("P-384", auto_kid=True)
    scripted.extra_keys = [
        {**other_rsa_key.as_dict(private=False), "use": "enc"},
        secret.as_dict(private=True),
        p384.as_dict(private=False),
        {"kty": "RSA", "kid": "broken", "n": "A" * 400},
        {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "off-curve", "x": "AQ", "y": "AQ"},
        {"kty": "quantum"},
        "not a key",
        None,
    ]
    await verifier.verify(sign(scripted.claims(), rsa_key, "RS256"))
    assert await refused(verifier, sign(scripted.claims(), other_rsa_key, "RS256")) == Reason.UNKNOWN_KEY
    assert await refused(verifier, sign(scripted.claims(), secret, "HS256")) == Reason.ALGORITHM
    assert await refused(verifier, sign(scripted.claims(), p384, "ES384")) == Reason.ALGORITHM


async def test_signatures_are_checked(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey
) -> None:
    forged = sign(scripted.claims(), other_rsa_key, "RS256", kid=rsa_key.kid)
    assert await refused(verifier, forged) == Reason.SIGNATURE
    header, _, signature = sign(scripted.claims(), rsa_key, "RS256").split(".")
    for other in (b64(scripted.claims(sub="admin")), ""):
        assert await refused(verifier, f"{header}.{other}.{signature}") == Reason.SIGNATURE
    for other in ("", "AAAA", "!!!!", signature[:-8]):
        assert await refused(verifier, f"{header}.{b64(scripted.claims())}.{other}") == Reason.SIGNATURE


async def test_keys_that_the_token_brings_along_count_for_nothing(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey
) -> None:
    mine = other_rsa_key.as_dict(private=False)
    forged = sign(scripted.claims(), other_rsa_key, "RS256", kid=rsa_key.kid, jwk=mine)
    assert await refused(verifier, forged) == Reason.SIGNATURE
    forged = sign(scripted.claims(), other_rsa_key, "RS256", jku="http://127.0.0.1:9/jwks")
    assert await refused(verifier, forged) == Reason.UNKNOWN_KEY


async def test_malformed_tokens(verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey) -> None:
    header = b64({"alg": "RS256", "kid": rsa_key.kid})
    deep = b"[" * 2500 + b"]" * 2500
    no_text = b64(b"\xff\xfe")
    malformed = [
        "", ".", "..", "...", "a.b", "a.b.c.d.e", "é.é.é", f"{b64(b'nonsense')}.x.y", f"{b64([1])}.x.y", f"{b64('alg')}.x.y",
        f"{b64(None)}.x.y", f"{b64(deep)}.x.y", f"{no_text}.x.y", f"{header}!.x.y",
        f"{b64({'alg': 'RS256', 'kid': 7})}.x.y", f"{b64({'alg': 'RS256', 'crit': ['exp'], 'exp': 1})}.x.y",
        f"{b64({'alg': 'RS256', 'b64': False, 'crit': ['b64']})}.x.y",
    ]  # fmt: skip
    for token in malformed:
        assert await refused(verifier, token) == Reason.TOKEN_MALFORMED, token[:60]
    for alg in (None, 5, ["RS256"], {"RS256": 1}):
        assert await refused(verifier, f"{b64({'alg': alg})}.x.y") == Reason.ALGORITHM


async def test_signed_nonsense_is_refused_too(
    verifier: TokenVerifier, rsa_key: RSAKey, scripted: ScriptedIssuer
) -> None:
    for payload in (b"", b"nonsense", b"[]", b'"x"', b"null", b"[" * 2500 + b"]" * 2500, b"\xff"):
        token = jws.serialize_compact({"alg": "RS256", "kid": rsa_key.kid}, payload, rsa_key)
        assert await refused(verifier, token) == Reason.TOKEN_MALFORMED, payload[:20]
    for kind in ("logout+jwt", "secevent+jwt", "dpop+jwt"):
        token = sign(scripted.claims(), rsa_key, "RS256", typ=kind)
        assert await refused(verifier, token) == Reason.TOKEN_TYPE


async def test_oversized_tokens_are_not_even_read(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey
) -> None:
    token = sign(scripted.claims(groups="g" * MAX_TOKEN_BYTES), rsa_key, "RS256")
    assert await refused(verifier, token) == Reason.TOKEN_OVERSIZED
    assert await refused(verifier, "x" * 10_000_000) == Reason.TOKEN_OVERSIZED
    assert scripted.fetches == 0


async def test_without_a_key_id_every_fitting_key_is_tried(
    verifier: TokenVerifier, scripted: ScriptedIssuer, rsa_key: RSAKey, other_rsa_key: RSAKey
) -> None:
    scripted.keys = [rsa_key, other_rsa_key]
    token = jwt.encode({"alg": "RS256"}, scripted.claims(), RSAKey.import_key(other_rsa_key.as_pem(private=True)))
    assert (await verifier.verify(token)).subject == "owner"
    stranger = jwt.encode({"alg": "RS256"}, scripted.claims(), RSAKey.generate_key(2048))
    assert await refused(verifier, stranger) == Reason.SIGNATURE


async def test_the_tenant_claim_can_be_named(issuer: Issuer, scripted: ScriptedIssuer, rsa_key: RSAKey) -> None:
    name = "https://example.com/tenant"
    verifier = TokenVerifier(issuer, AUDIENCE, name)
    tenant = uuid4()
    principal = await verifier.verify(sign(scripted.claims(**{name: str(tenant)}), rsa_key, "RS256"))
    assert principal.tenant_id == tenant


async def test_a_verified_token_is_remembered_until_it_expires(
    issuer: Issuer, scripted: ScriptedIssuer, rsa_key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Clock(time.time())
    verifier = TokenVerifier(issuer, AUDIENCE, clock=now)
    claims = scripted.claims()
    token = sign(claims, rsa_key, "RS256")
    signatures = 0
    original = TokenVerifier.genuine

    async def counted(self: TokenVerifier, token: str, audience: str) -> Any:
        nonlocal signatures
        signatures += 1
        return await original(self, token, audience)

    monkeypatch.setattr(TokenVerifier, "genuine", counted)
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    assert signatures == 1
    now.now = claims["exp"] + LEEWAY_SECONDS + 1
    assert await refused(verifier, token) == Reason.EXPIRED
    assert signatures == 2
    assert not verifier._cache


async def test_the_memory_of_tokens_is_bounded(
    verifier: TokenVerifier, scripted: ScriptedIssuer, ed_key: OKPKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.tokens._CACHED_TOKENS", 3)
    tokens = [sign(scripted.claims(sub=f"user-{n}"), ed_key, "EdDSA") for n in range(4)]
    for token in tokens[:3]:
        await verifier.verify(token)
    await verifier.verify(tokens[0])  # used lately: stays
    await verifier.verify(tokens[3])
    assert [entry.principal.subject for entry in verifier._cache.values()] == ["user-2", "user-0", "user-3"]
    assert await refused(verifier, "a.b.c")
    assert len(verifier._cache) == 3
