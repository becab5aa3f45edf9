"""What a request costs (section 43.3, consumption; ruling 3). Exact to the millionth of a credit, rounded once."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypeVar

from app.rules.errors import ErrorCode, Invalid
from app.rules.money import quoted, round_credits

INPUT_TOKENS_PER_CREDIT = 1_000_000
OUTPUT_TOKENS_PER_CREDIT = 250_000
IMAGE_CREDITS = Decimal("0.02")
HD_IMAGE_CREDITS = Decimal("0.04")
TRANSCRIPTION_CREDITS_PER_MINUTE = Decimal("0.01")
SPEECH_CREDITS_PER_CHARACTER = Decimal("0.00001")

N = TypeVar("N", int, Decimal)

MAX_COUNT = 2_147_483_647  # what the columns of section 43.4 hold
MAX_MINUTES = Decimal(100_000)
MAX_CREDITS = Decimal(1_000_000)


class RequestType(StrEnum):
    """What was asked of the model. An unknown type is refused, never free."""

    TEXT = "text"
    IMAGE = "image"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"


class Figures(NamedTuple):
    """Usage figures as the gateway reports them, unchecked; None: not reported. `minutes` of audio may be fractional."""

    input_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    cached_tokens: Decimal | None = None
    images: Decimal | None = None
    hd: bool = False
    minutes: Decimal | None = None
    characters: Decimal | None = None


class ModelRate(NamedTuple):
    """The price book's entry of a model: multiplier of the text rates, and cached tokens as a share of the input rate."""

    multiplier: Decimal = Decimal(1)
    cached_share: Decimal = Decimal(1)


class Cost(NamedTuple):
    """Credits, the multiplier they were reckoned with, and the token counts for the books."""

    credits: Decimal
    multiplier: Decimal
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class WrongFigures(Invalid):
    """A figure that no request can have: negative, a fraction, beyond all measure, or nothing at all."""

    code = ErrorCode.WRONG_FIGURES


class UnknownRequestType(Invalid):
    """A request type without a price: refused, never free (ruling 3)."""

    code = ErrorCode.UNKNOWN_REQUEST_TYPE


class UsageMissing(Invalid):
    """A figure that the request type needs was not reported: never taken for zero (ruling 3)."""

    code = ErrorCode.USAGE_MISSING

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is missing; a missing figure is never taken for zero.", path=(name,), reason="usage_missing"
        )


def request_type(word: str) -> RequestType:
    """The type of that name, in any case. Raises UnknownRequestType for any other word."""
    try:
        return RequestType(word.lower())
    except ValueError:
        known = ", ".join(one.value for one in RequestType)
        raise UnknownRequestType(
            f"{word[:60]!r} is no request type. There are: {known}.", path=("requestType",), reason="request_type"
        ) from None


def cost(kind: RequestType, figures: Figures, rate: ModelRate) -> Cost:
    """Price a request. Raises UsageMissing or WrongFigures, also for figures of zero: release what used nothing.

    A use of less than half a millionth of a credit costs 0.000000, and is a use all the same.
    """
    match kind:
        case RequestType.TEXT:
            priced = _text(figures, rate)
        case RequestType.IMAGE:
            images = _used(_count("images", figures.images))
            each = HD_IMAGE_CREDITS if figures.hd else IMAGE_CREDITS
            priced = Cost(round_credits(images * each), Decimal(1))
        case RequestType.TRANSCRIPTION:
            minutes = _used(_minutes(figures.minutes))
            priced = Cost(round_credits(minutes * TRANSCRIPTION_CREDITS_PER_MINUTE), Decimal(1))
        case RequestType.SPEECH:
            characters = _used(_count("characters", figures.characters))
            priced = Cost(round_credits(characters * SPEECH_CREDITS_PER_CHARACTER), Decimal(1))
    if priced.credits > MAX_CREDITS:
        raise WrongFigures(
            f"One request costs at most 1,000,000 credits; this is {priced.credits:f}.", reason="too_much"
        )
    return priced


def _text(figures: Figures, rate: ModelRate) -> Cost:
    read = _count("inputTokens", figures.input_tokens)
    written = _count("outputTokens", figures.output_tokens)
    cached = 0 if figures.cached_tokens is None else _count("cachedTokens", figures.cached_tokens)
    _used(read + written)
    if cached > read:
        raise WrongFigures(
            f"cachedTokens are part of inputTokens: {cached} of {read} can't be.",
            path=("cachedTokens",),
            reason="cached",
        )
    full_price = (Decimal(read - cached) + cached * rate.cached_share) / INPUT_TOKENS_PER_CREDIT
    full_price += Decimal(written) / OUTPUT_TOKENS_PER_CREDIT
    return Cost(round_credits(full_price * rate.multiplier), rate.multiplier, read, written, cached)


def _used(amount: N) -> N:
    """An amount of use above zero."""
    if amount == 0:
        raise WrongFigures(
            "Nothing was used. Release the reservation of a request that used nothing.", reason="no_usage"
        )
    return amount


def _count(name: str, value: Decimal | None) -> int:
    """A whole number from 0 to 2,147,483,647."""
    if value is None:
        raise UsageMissing(name)
    if not value.is_finite() or not 0 <= value <= MAX_COUNT or value != (whole := int(value)):
        raise WrongFigures(
            f"{name} must be a whole number from 0 to {MAX_COUNT:,}, not {quoted(value)}.", path=(name,), reason="count"
        )
    return whole


def _minutes(value: Decimal | None) -> Decimal:
    if value is None:
        raise UsageMissing("minutes")
    if not value.is_finite() or not 0 <= value <= MAX_MINUTES:
        raise WrongFigures(
            f"minutes must be from 0 to 100,000, not {quoted(value)}.", path=("minutes",), reason="minutes"
        )
    return value
