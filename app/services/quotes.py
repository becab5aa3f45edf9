"""Quotes for credits: a signed promise of a price, good for 15 minutes and one purchase.

A quote is no row: its id carries the whole price under an HMAC, so that asking for prices writes nothing. Single use is a unique key
on `credit_purchases.quote_id`.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.rules.errors import NotFound, QuoteExpired
from app.rules.pricing import QUOTE_VALIDITY, Band, Price

_HEADER = {"alg": "HS256", "typ": "credit-quote"}
MAX_TOKEN_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A price promised to one user for one pool until `expires_at`; `quote_id` is what makes it single-use."""

    quote_id: UUID
    tenant_id: UUID
    pool_id: UUID
    user_id: UUID
    price: Price
    expires_at: datetime


class QuoteSigner:
    """Issues and reads quotes under the portal's secret key."""

    def __init__(self, secret_key: str) -> None:
        # A key of its own: nothing else that the secret key signs can be taken for a quote.
        self._key = OctKey.import_key(hmac.digest(secret_key.encode(), b"quote", hashlib.sha256))

    def issue(self, tenant_id: UUID, pool_id: UUID, user_id: UUID, price: Price, now: datetime) -> tuple[Quote, str]:
        """A new quote and its token."""
        expires_at = (now + QUOTE_VALIDITY).replace(microsecond=0)
        quote = Quote(uuid4(), tenant_id, pool_id, user_id, price, expires_at)
        return quote, jws.serialize_compact(_HEADER, json.dumps(_claims(quote)), self._key)

    def read(self, token: str, tenant_id: UUID, pool_ids: frozenset[UUID], user_id: UUID, now: datetime) -> Quote:
        """The quote of a token. Raises NotFound for anything not issued here to this user.

        Raises QuoteExpired after 15 minutes.
        """
        quote = self._verified(token)
        # Somebody else's quote reads as one that does not exist (ruling 18).
        if quote is None or (quote.tenant_id, quote.user_id) != (tenant_id, user_id) or quote.pool_id not in pool_ids:
            raise NotFound("quote", path=("quoteId",))
        if now >= quote.expires_at:
            raise QuoteExpired(quote.expires_at)
        return quote

    def _verified(self, token: str) -> Quote | None:
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            found = jws.deserialize_compact(token, self._key, algorithms=["HS256"])
            if found.headers().get("typ") != _HEADER["typ"]:
                return None
            return _from_claims(json.loads(found.payload))
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
            return None


def _claims(quote: Quote) -> dict[str, Any]:
    price, band = quote.price, quote.price.band
    return {
        "jti": str(quote.quote_id),
        "tenant": str(quote.tenant_id),
        "pool": str(quote.pool_id),
        "user": str(quote.user_id),
        "exp": int(quote.expires_at.timestamp()),
        "credits": f"{price.credits:f}",
        "bonus": f"{price.bonus_credits:f}",
        "cents": [price.base_cents, price.discount_cents, price.total_cents],
        "band": [f"{band.min_credits:f}", f"{band.discount_rate:f}", f"{band.bonus_rate:f}", band.unit_price_cents],
    }


def _from_claims(claims: dict[str, Any]) -> Quote:
    minimum, discount_rate, bonus_rate, unit_price_cents = claims["band"]
    base_cents, discount_cents, total_cents = claims["cents"]
    band = Band(Decimal(minimum), Decimal(discount_rate), Decimal(bonus_rate), unit_price_cents)
    price = Price(
        credits=Decimal(claims["credits"]),
        band=band,
        base_cents=base_cents,
        discount_cents=discount_cents,
        total_cents=total_cents,
        bonus_credits=Decimal(claims["bonus"]),
    )
    return Quote(
        quote_id=UUID(claims["jti"]),
        tenant_id=UUID(claims["tenant"]),
        pool_id=UUID(claims["pool"]),
        user_id=UUID(claims["user"]),
        price=price,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
