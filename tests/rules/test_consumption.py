"""What a request costs: section 43.3's rates to the millionth, and every figure that is none (ruling 3)."""

from decimal import Decimal

import pytest

from app.rules.consumption import Figures, ModelRate, RequestType, UsageMissing, WrongFigures, cost, request_type
from app.rules.errors import ErrorCode, Refusal

D = Decimal
TEXT, IMAGE, AUDIO, SPEECH = RequestType.TEXT, RequestType.IMAGE, RequestType.TRANSCRIPTION, RequestType.SPEECH
ONE = ModelRate()
BIGGEST = D(2_147_483_647)


def text(read: int | D, written: int | D, cached: int | D | None = None) -> Figures:
    return Figures(input_tokens=D(read), output_tokens=D(written), cached_tokens=None if cached is None else D(cached))


@pytest.mark.parametrize(
    ("kind", "figures", "rate", "credits"),
    [
        (TEXT, text(1, 0), ONE, "0.000001"),
        (TEXT, text(0, 1), ONE, "0.000004"),
        (TEXT, text(1_000_000, 0), ONE, "1"),
        (TEXT, text(0, 250_000), ONE, "1"),
        (TEXT, text(999_999, 249_999), ONE, "1.999995"),
        (TEXT, text(1000, 500), ModelRate(D("2.5")), "0.0075"),
        (TEXT, text(1, 0), ModelRate(D("0.5")), "0.000001"),  # 0.0000005 is rounded half up
        (TEXT, text(1, 0), ModelRate(D("0.4999")), "0"),  # costs nothing and is a use all the same
        (TEXT, text(3, 0), ModelRate(D("0.5")), "0.000002"),
        (TEXT, text(1000, 0, 1000), ModelRate(D(1), D("0.1")), "0.0001"),
        (TEXT, text(1000, 0, 400), ModelRate(D(1), D("0.25")), "0.0007"),
        (TEXT, text(1000, 0, 400), ONE, "0.001"),  # cached tokens cost what input costs unless the book says otherwise
        (TEXT, text(1000, 0, 1000), ModelRate(D(1), D(0)), "0"),
        (TEXT, text(BIGGEST, BIGGEST), ONE, "10737.418235"),
        (IMAGE, Figures(images=D(1)), ONE, "0.02"),
        (IMAGE, Figures(images=D(3), hd=True), ONE, "0.12"),
        (IMAGE, Figures(images=D(1)), ModelRate(D(5)), "0.02"),  # multipliers are of text
        (AUDIO, Figures(minutes=D(1)), ONE, "0.01"),
        (AUDIO, Figures(minutes=D("0.016666666666666666")), ONE, "0.000167"),
        (AUDIO, Figures(minutes=D(100_000)), ONE, "1000"),
        (SPEECH, Figures(characters=D(1)), ONE, "0.00001"),
        (SPEECH, Figures(characters=D(123_456)), ONE, "1.23456"),
    ],
)
def test_costs_to_the_millionth(kind: RequestType, figures: Figures, rate: ModelRate, credits: str) -> None:
    priced = cost(kind, figures, rate)
    assert priced.credits == D(credits)
    assert priced.credits.as_tuple().exponent == -6


@pytest.mark.parametrize(
    ("kind", "figures", "missing"),
    [
        (TEXT, Figures(output_tokens=D(5)), "inputTokens"),
        (TEXT, Figures(input_tokens=D(5)), "outputTokens"),
        (TEXT, Figures(images=D(5)), "inputTokens"),
        (IMAGE, Figures(), "images"),
        (AUDIO, Figures(), "minutes"),
        (SPEECH, Figures(minutes=D(1)), "characters"),
    ],
)
def test_a_missing_figure_is_never_zero(kind: RequestType, figures: Figures, missing: str) -> None:
    with pytest.raises(UsageMissing) as refused:
        cost(kind, figures, ONE)
    assert refused.value.path == (missing,)
    assert refused.value.code is ErrorCode.USAGE_MISSING


_WRONG = [
    D(-1),
    D("0.5"),
    D("1e-999999"),
    D(2_147_483_648),
    D("1e999999"),
    D("NaN"),
    D("sNaN"),
    D("Infinity"),
    D("-Infinity"),
]


@pytest.mark.parametrize("value", _WRONG)
@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cached_tokens", "images", "characters"])
def test_counts_are_whole_numbers_within_reason(name: str, value: D) -> None:
    kind = {"images": IMAGE, "characters": SPEECH}.get(name, TEXT)
    good = {"input_tokens": D(10), "output_tokens": D(10)} if kind is TEXT else {}
    with pytest.raises(WrongFigures) as refused:
        cost(kind, Figures(**{**good, name: value}), ONE)
    assert refused.value.code is ErrorCode.WRONG_FIGURES
    assert len(refused.value.message) < 160


@pytest.mark.parametrize("value", [D(-1), D("-0.001"), D("100000.000001"), D("1e999999"), D("NaN"), D("Infinity")])
def test_minutes_are_within_reason(value: D) -> None:
    with pytest.raises(WrongFigures):
        cost(AUDIO, Figures(minutes=value), ONE)


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        (TEXT, text(0, 0)),
        (TEXT, text(0, 0, 0)),
        (IMAGE, Figures(images=D(0))),
        (AUDIO, Figures(minutes=D(0))),
        (SPEECH, Figures(characters=D(0))),
        (TEXT, text(10, 5, 11)),  # more cached than read
        (IMAGE, Figures(images=BIGGEST)),  # beyond a million credits
    ],
)
def test_what_no_request_uses_is_refused(kind: RequestType, figures: Figures) -> None:
    with pytest.raises(WrongFigures):
        cost(kind, figures, ONE)


def test_a_million_credits_are_the_most() -> None:
    assert cost(IMAGE, Figures(images=D(50_000_000)), ONE).credits == 1_000_000
    with pytest.raises(WrongFigures):
        cost(IMAGE, Figures(images=D(50_000_001)), ONE)


def test_tokens_are_for_the_books() -> None:
    priced = cost(TEXT, text(7, 5, 3), ModelRate(D("1.5")))
    assert (priced.input_tokens, priced.output_tokens, priced.cached_tokens, priced.tokens) == (7, 5, 3, 12)
    assert priced.multiplier == D("1.5")


def test_request_types_by_name() -> None:
    assert request_type("TEXT") is TEXT
    for word in ("", "video", "text ", "x" * 10_000):
        with pytest.raises(Refusal) as refused:
            request_type(word)
        assert refused.value.code is ErrorCode.UNKNOWN_REQUEST_TYPE
        assert len(refused.value.message) < 200
