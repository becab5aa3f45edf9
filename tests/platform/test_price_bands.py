"""`portal price-bands`, as an operator types it."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.failures import CommandError
from app.embedded.postgres import EmbeddedPostgres
from tests.conftest import Urls

PROJECT = Path(__file__).resolve().parents[2]
Command = Callable[..., tuple[int, str]]
Typed = Callable[..., Awaitable[tuple[int, str]]]
ROWS = "SELECT to_jsonb(b) FROM credit_price_bands b UNION ALL SELECT to_jsonb(c) FROM credit_price_band_changes c"
AS_SEEDED = """\
      from    a credit    discount       bonus       costs       gives
         1      $10.00         0 %         0 %      $10.00           1
         5      $10.00         0 %         0 %      $50.00           5
        10      $10.00         5 %         5 %      $95.00        10.5
        25      $10.00        10 %        10 %     $225.00        27.5
        50      $10.00        15 %        15 %     $425.00        57.5
       100      $10.00        20 %        20 %     $800.00         120
"""
AT_ONCE = "In force for every quote from now on; quotes already given keep their price for their 15 minutes.\n"


@pytest.fixture(scope="module")
def environment(urls: Urls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What names the module's database and the operator."""
    data = str(tmp_path_factory.mktemp("data"))
    return {"PORTAL_DATABASE_URL": urls.owner, "PORTAL_DATA_DIR": data, "LOGNAME": "anna", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def portal(environment: dict[str, str]) -> Command:
    """`portal price-bands ...` on the module's database: (exit status, what it printed)."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "app.cli", "price-bands", *arguments]
        given = environment | {"PYTHONPATH": str(PROJECT)}
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def typed(environment: dict[str, str]) -> Typed:
    """The same within this process: a second sooner. A refusal's text is the exception's, which `main` prints on one line."""

    async def run(*arguments: str | Path) -> tuple[int, str]:
        words = ["price-bands", *map(str, arguments)]
        done = await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)
        refused = isinstance(done.exception, CommandError)
        return done.exit_code, str(done.exception) if refused else done.output

    return run


async def test_an_operator_changes_prices(portal: Command, tmp_path: Path) -> None:
    """From the first look to the way back, each step as it is printed."""
    assert portal("history") == (0, "The price bands were never changed.\n")
    assert portal("list") == (0, AS_SEEDED)
    status, saved = portal("list", "--json")
    assert status == 0
    before = tmp_path / "bands.json"
    before.write_text(saved)

    changed = "from 10: $10.00 a credit, discount 5 %, bonus 5 % -> $10.00 a credit, discount 6 %, bonus 5 %\n"
    assert portal("set", "10", "--discount", "6%") == (0, changed + AT_ONCE)
    added = "from 500: new: $9.50 a credit, discount 20 %, bonus 25 %\n"
    by = ("--by", "Bert of Sales")
    new_band = ("--discount", "0.2", "--bonus", "25 %", "--unit-price-cents", "950")
    assert portal("set", "500", *new_band, *by) == (0, added + AT_ONCE)
    removed = "from 5: removed; it was $10.00 a credit, discount 0 %, bonus 0 %\n"
    assert portal("remove", "5", *by) == (0, removed + AT_ONCE)
    assert "       500       $9.50        20 %        25 %   $3,800.00         625\n" in portal("list")[1]

    assert portal("set", "--file", before)[0] == 0
    assert portal("list") == (0, AS_SEEDED)
    assert portal("set", "--file", before) == (0, "Nothing to change: the price bands are so already.\n")

    status, told = portal("history")
    assert status == 0
    entries = re.split(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  ", told, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries] == ["anna", "Bert of Sales", "Bert of Sales", "anna"]
    assert entries[1:] == [f"{by[1]}\n  {removed}", f"{by[1]}\n  {added}", f"anna\n  {changed}"]
    assert entries[0].count("\n  from ") == 3
    assert portal("history", "--last", "1")[1].count(" UTC  ") == 1
    assert portal("remove", "7") == (
        1,
        "portal: There is no band from 7 credits; there are bands from 1, 5, 10, 25, 50, 100.\n",
    )


async def test_a_database_that_was_never_migrated(
    typed: Typed, environment: dict[str, str], postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environment, "PORTAL_DATABASE_URL", postgres.url("portal_owner", "postgres"))
    for command in (("list",), ("history",), ("set", "10", "--bonus", "6%")):
        assert await typed(*command) == (1, "the database is not up to date: run `portal migrate` first")


TOML = """
[[bands]]
min_credits = 1
discount = "0 %"
bonus = 0
unit_price_cents = 1000

[[bands]]
min_credits = "2.50"
discount = 0.125
bonus = "5%"
unit_price_cents = 900
"""


async def test_a_file_of_toml(typed: Typed, inspector: asyncpg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "bands.toml"
    file.write_text(TOML)
    assert (await typed("set", "--file", file))[0] == 0
    rows = await inspector.fetch(
        "SELECT min_credits::text, discount_rate::text, bonus_rate::text, unit_price_cents FROM credit_price_bands ORDER BY min_credits"
    )
    assert [tuple(row) for row in rows] == [
        ("1.000000", "0.0000", "0.0000", 1000),
        ("2.500000", "0.1250", "0.0500", 900),
    ]


BAND = {"min_credits": 1, "discount": 0, "bonus": 0, "unit_price_cents": 1000}


def bands(*changes: dict[str, object]) -> str:
    return json.dumps({"bands": [BAND | change for change in changes]})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.toml", "[[bands]", "at line 1"),
        ("a.json", "[]", "expected a list named bands and nothing else: see `portal price-bands list --json`"),
        ("a.json", '{"bands": [], "more": 1}', "expected a list named bands and nothing else"),
        ("a.json", '{"bands": []}', "There must be at least one price band, from 1 credit on."),
        ("a.json", '{"bands": [7]}', "Band 1 must have min_credits, discount, bonus, unit_price_cents, and nothing else"),
        ("a.json", '{"bands": [{"min_credits": 1}]}', "and nothing else; it has min_credits."),
        ("a.json", bands({"note": "x"}), "it has bonus, discount, min_credits, note, unit_price_cents."),
        ("a.json", bands({"unit_price_cents": 9.5}), "Band 1 has a unit_price_cents of 9.5; write whole cents"),
        ("a.json", bands({"unit_price_cents": "1000"}), "Band 1 has a unit_price_cents of 1000; write whole cents"),
        ("a.json", bands({"unit_price_cents": -1}), "The band from 1 credit has a unit price of -1 cents"),
        ("a.json", bands({"discount": True}), "Band 1 has a discount of True; write a number."),
        ("a.json", bands({"discount": "five"}), "'five' is no share; write 5 % or 0.05."),
        ("a.json", bands({"discount": 5}), "has a discount of 500 %; it must be less than 100 %."),
        ("a.json", bands({"min_credits": None}), "Band 1 has a min_credits of None; write a number."),
        ("a.json", bands({"min_credits": "ten"}), "'ten' is no quantity of credits; write a number such as 10 or 2.5"),
        ("a.json", bands({}, {}), "Two bands begin at 1 credit; keep one of them."),
        ("a.json", bands({}, {"min_credits": 9}, {"min_credits": 4}), "The band from 4 credits stands after the one from 9"),
        ("a.toml", TOML.replace("0.125", "nan"), "The band from 2.5 credits has a discount of NaN"),
        ("a.toml", TOML.replace("0.125", "-inf"), "The band from 2.5 credits has a discount of -Infinity"),
        ("none.json", None, "No such file"),
    ],
)  # fmt: skip
async def test_a_file_that_is_refused_changes_nothing(
    typed: Typed, inspector: asyncpg.Connection, tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    before = await inspector.fetch(ROWS)
    status, told = await typed("set", "--file", file)
    assert (status, told.startswith(f"{file}: ")) == (1, True), told
    assert says in told
    assert await inspector.fetch(ROWS) == before


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("set",), 2, "give either --file, or the quantity where one band begins and what to set."),
        (("set", "--discount", "5%"), 2, "give either --file, or the quantity"),
        (("set", "10", "--file", "bands.json"), 2, "give either --file, or the quantity"),
        (("set", "10"), 1, "say what to set: --discount, --bonus or --unit-price-cents"),
        (("set", "ten", "--bonus", "5%"), 1, "'ten' is no quantity of credits; write a number such as 10 or 2.5."),
        (("set", "sNaN", "--bonus", "5%"), 1, "'sNaN' is no quantity of credits"),
        (("set", "10", "--bonus", "much"), 1, "'much' is no share; write 5 % or 0.05."),
        (("set", "10", "--bonus", "-5%"), 1, "The band from 10 credits has a bonus of -0.05; it must not be negative."),
        (("set", "10", "--discount", "100%"), 1, "a discount of 100 %; it must be less than 100 %."),
        (("set", "10", "--unit-price-cents", "0"), 1, "a unit price of 0 cents; it must be at least 1."),
        (("set", "10", "--bonus", "6%", "--by", " "), 1, "Say who changes the price bands, in 1 to 100 characters."),
        (("remove", "1"), 1, "The band from 1 credit can't be removed: without it small quantities have no price."),
        (("remove", "7"), 1, "There is no band from 7 credits; there are bands from 1, "),
    ],
)  # fmt: skip
async def test_a_command_that_is_refused_changes_nothing(
    typed: Typed, inspector: asyncpg.Connection, arguments: tuple[str, ...], status: int, says: str
) -> None:
    before = await inspector.fetch(ROWS)
    found, told = await typed(*arguments)
    assert found == status, told
    assert says in told
    assert await inspector.fetch(ROWS) == before
