"""Quotes: a signed promise to one user for one pool, for 15 minutes (rulings 4, 5 and 18). Whatever else is sent does not exist."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from app.rules.catalogue import PRICE_BANDS
from app.rules.errors import NotFound, QuoteExpired
from app.rules.pricing import Band, price
from app.services.quotes import Quote, QuoteSigner

SECRET = "a-secret-key-of-the-tests-0123456789abcdef"
TENANT, POOL, USER, OTHER = (UUID(int=number) for number in (1, 2, 3, 4))
NOW = datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)
BANDS = [Band(one.min_credits, one.discount_rate, one.bonus_rate, one.unit_price_cents) for one in PRICE_BANDS]
SIGNER = QuoteSigner(SECRET)
QUOTE, TOKEN = SIGNER.issue(TENANT, POOL, USER, price(Decimal("10.01"), BANDS), NOW)


def read(token: str, *, tenant: UUID = TENANT, pool: UUID = POOL, user: UUID = USER, at: datetime = NOW) -> Quote:
    return SIGNER.read(token, tenant, frozenset({pool}), user, at)


def signed(claims: Any, secret: str = SECRET, alg: str = "HS256", **header: Any) -> str:
    """A token as an attacker, or an earlier release, may have signed it."""
    body = claims if isinstance(claims, bytes) else json.dumps(claims)
    key = OctKey.import_key(hmac.digest(secret.encode(), b"quote", hashlib.sha256))
    return jws.serialize_compact({"alg": alg, "typ": "credit-quote", **header}, body, key)


def test_the_bare_secret_signs_no_quote() -> None:
    header, claims = (
        {"alg": "HS256", "typ": "credit-quote"},
        claims_of(SIGNER.issue(TENANT, POOL, USER, QUOTE.price, NOW)[1]),
    )
    with pytest.raises(NotFound):
        read(jws.serialize_compact(header, json.dumps(claims), OctKey.import_key(SECRET)))
    assert read(signed(claims)).pool_id == POOL


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


@given(st.integers(100, 1_000_000))
def test_a_quote_reads_back_whole(hundredths: int) -> None:
    priced = price((Decimal(hundredths) / 100).quantize(Decimal("0.01")), BANDS)
    issued, token = SIGNER.issue(TENANT, POOL, USER, priced, NOW)
    assert read(token) == issued
    assert issued.price == priced


def test_every_quote_is_another_one() -> None:
    tokens = [SIGNER.issue(TENANT, POOL, USER, QUOTE.price, NOW)[1] for _ in range(20)]
    assert len({read(token).quote_id for token in tokens}) == 20


@pytest.mark.parametrize(("seconds", "expired"), [(-1, False), (0, False), (899, False), (900, True), (86400, True)])
def test_it_is_good_for_fifteen_minutes(seconds: int, expired: bool) -> None:
    start = NOW.replace(microsecond=0)
    at = start + timedelta(seconds=seconds)
    if not expired:
        assert read(TOKEN, at=at) == QUOTE
        return
    with pytest.raises(QuoteExpired) as refused:
        read(TOKEN, at=at)
    assert refused.value.message == (
        "The quote expired at 2026-03-14 15:24:26 UTC. Ask for a new one; nothing was charged."
    )
    assert refused.value.path == ("quoteId",)


def test_the_very_microsecond_before_it_is_still_good() -> None:
    assert QUOTE.expires_at == datetime(2026, 3, 14, 15, 24, 26, tzinfo=UTC)
    assert read(TOKEN, at=QUOTE.expires_at - timedelta(microseconds=1)) == QUOTE
    with pytest.raises(QuoteExpired):
        read(TOKEN, at=QUOTE.expires_at)


@pytest.mark.parametrize("whose", ["tenant", "pool", "user"])
def test_somebody_elses_reads_as_none(whose: str) -> None:
    mine: dict[str, Any] = {whose: OTHER}
    with pytest.raises(NotFound) as refused:
        read(TOKEN, **mine)
    assert refused.value.message == "There is no such quote."
    # An expired one of somebody else says no more than a fresh one.
    with pytest.raises(NotFound) as late:
        read(TOKEN, at=NOW + timedelta(days=1), **mine)
    assert late.value.message == refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cents", [10010, 500, 1]),
        ("credits", "10000.00"),
        ("bonus", "5000"),
        ("exp", 2_000_000_000),
        ("user", str(OTHER)),
    ],
)
def test_a_changed_claim_breaks_the_signature(name: str, value: Any) -> None:
    header, _, signature = TOKEN.split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims_of(TOKEN), name: value}).encode()).decode().rstrip("=")
    with pytest.raises(NotFound):
        read(f"{header}.{body}.{signature}", user=OTHER if name == "user" else USER)


def test_every_single_changed_character_is_noticed() -> None:
    for at, old in enumerate(TOKEN):
        new = "A" if old != "A" else "B"
        changed = TOKEN[:at] + new + TOKEN[at + 1 :]
        if at == len(TOKEN) - 1 and _bytes(changed) == _bytes(TOKEN):
            continue  # two spare bits of base64's last character: the same signature in another spelling
        with pytest.raises(NotFound):
            read(changed)


def _bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "=")


@pytest.mark.parametrize(
    "forged",
    [
        signed(claims_of(TOKEN), secret="another-secret-key-0123456789abcdefghij"),
        signed(claims_of(TOKEN), typ="session"),
        signed(claims_of(TOKEN), typ="JWT"),
        signed([1, 2, 3]),
        signed("text"),
        signed(None),
        signed(b"no json"),
        signed(b"\xff\xfe"),
        signed({}),
        signed({**claims_of(TOKEN), "jti": "no uuid"}),
        signed({**claims_of(TOKEN), "jti": 5}),
        signed({**claims_of(TOKEN), "exp": "tomorrow"}),
        signed({**claims_of(TOKEN), "exp": 10**30}),
        signed({**claims_of(TOKEN), "credits": "ten"}),
        signed({**claims_of(TOKEN), "cents": [1, 2]}),
        signed({**claims_of(TOKEN), "band": None}),
        TOKEN.replace(TOKEN.split(".")[0], base64.urlsafe_b64encode(b'{"alg":"none","typ":"credit-quote"}').decode()),
        ".".join([base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("="), TOKEN.split(".")[1], ""]),
        TOKEN + "." + TOKEN,
        TOKEN.rsplit(".", 1)[0],
        TOKEN + "x" * 2000,
    ],
)
def test_a_forgery_reads_as_none(forged: str) -> None:
    with pytest.raises(NotFound):
        read(forged)


@given(st.text(max_size=300) | st.text("eyJhbGciOiIUzI1NiJ9.-_= ", max_size=300))
@example("")
@example("..")
@example("e30.e30.e30")
@example("\x00")
@example("é.é.é")
@example("\ud800")
def test_garbage_reads_as_none(token: str) -> None:
    with pytest.raises(NotFound):
        read(token)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=40))
def test_garbage_in_the_right_form_reads_as_none(header: bytes, body: bytes, signature: bytes) -> None:
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, body, signature))
    with pytest.raises(NotFound):
        read(".".join(parts))
