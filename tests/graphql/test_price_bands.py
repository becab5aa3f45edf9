"""Price bands changed by an operator (ruling 4): in force at once for every process, never for what is quoted or sold."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.rules.errors import Invalid
from app.rules.price_bands import BandChange, with_band, without_band
from app.rules.pricing import Band
from app.services import price_bands
from app.tenancy import Database
from tests.conftest import Urls, connecting
from tests.factories import Household, make_household
from tests.graphql.documents import PURCHASE, QUOTE
from tests.graphql.portal import Portal, pool_id
from tests.payments.sandbox import Sandbox
from tests.rules.bands import BANDS

D = Decimal


@dataclass
class Shop:
    """A household, and two portals on its database: each with whatever it keeps in memory."""

    portals: list[Portal]
    household: Household

    async def quote(self, portal: Portal, credits: str = "10") -> dict[str, Any]:
        answer = await portal.ask(self.household, "olivia", QUOTE, pool=pool_id(self.household), credits=credits)
        found: dict[str, Any] = answer.data["creditQuote"]["quote"]
        return found

    async def totals(self, credits: str = "10") -> list[str]:
        """What a quantity costs now, by each portal."""
        return [(await self.quote(portal, credits))["total"]["amount"] for portal in self.portals]

    async def buy(self, quote: dict[str, Any], card: str) -> dict[str, Any]:
        answer = await self.portals[0].ask(
            self.household, "olivia", PURCHASE, quote=quote["id"], method=card, key=str(uuid4())
        )
        assert answer.data["creditsPurchase"]["userErrors"] == []
        found: dict[str, Any] = answer.data["creditsPurchase"]["purchase"]
        return found


@pytest.fixture
async def owner(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection; afterwards the bands are the catalogue's again and the history is empty."""
    async with connecting(urls.owner) as connection:
        yield connection
        await price_bands.change(connection, lambda _: BANDS, "the test's end")
        await connection.execute("DELETE FROM credit_price_band_changes")


@pytest.fixture
async def shop(portal: Portal, other_portal: Portal, database: Database, sandbox: Sandbox) -> Shop:
    return Shop([portal, other_portal], await make_household(database, stripe_customer_id=None))


def dearer(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    return tuple(replace(band, unit_price_cents=2000) for band in bands)


async def rows_of(owner: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """Every band and every change, dates too: equal before and after means that nothing was written."""
    bands = await owner.fetch("SELECT * FROM credit_price_bands ORDER BY min_credits")
    changes = await owner.fetch("SELECT * FROM credit_price_band_changes ORDER BY id")
    return [tuple(row) for row in (*bands, *changes)]


async def test_a_change_holds_at_once_in_every_process(shop: Shop, owner: asyncpg.Connection) -> None:
    assert await shop.totals() == ["95.00", "95.00"], "both have read the catalogue"
    for cents, total in ((2000, "190.00"), (1500, "142.50"), (1000, "95.00")):
        change = BandChange(D(10), unit_price_cents=cents)
        assert await price_bands.change(owner, lambda bands, change=change: with_band(bands, change), "anna")
        assert await shop.totals() == [total, total]


async def test_what_is_shown_beside_a_quote_is_of_the_same_instant(shop: Shop, owner: asyncpg.Connection) -> None:
    await price_bands.change(owner, lambda bands: without_band(bands, D(25)), "anna")
    quote = await shop.quote(shop.portals[1], "24.99")
    assert (quote["band"]["minCredits"], quote["nextBand"]["minCredits"]) == ("10.000000", "50.000000")
    answer = await shop.portals[0].ask(shop.household, "rosa", "{ creditBands { minCredits } }")
    assert [D(one["minCredits"]) for one in answer.data["creditBands"]] == [1, 5, 10, 50, 100]


async def test_a_quote_before_the_change_buys_at_the_quoted_price(
    shop: Shop, sandbox: Sandbox, owner: asyncpg.Connection, rows: asyncpg.Connection
) -> None:
    quote, card = await shop.quote(shop.portals[0]), await sandbox.card()
    await price_bands.change(owner, dearer, "anna")
    assert await shop.totals() == ["190.00", "190.00"]
    bought = await shop.buy(quote, card)
    assert bought["status"] == "COMPLETED"
    assert bought["total"]["amount"] == quote["total"]["amount"] == "95.00"
    kept = """SELECT unit_price_cents, discount_rate, bonus_rate, payment_amount_cents, total_credits
                FROM credit_purchases WHERE tenant_id = $1"""
    sold = await rows.fetch(kept, shop.household.tenant_id)
    assert [tuple(row) for row in sold] == [(1000, D("0.05"), D("0.05"), 9500, D("10.5"))]
    (charge,) = [one for one in await sandbox.requests() if one["path"] == "/v1/payment_intents"]
    assert ["amount", "9500"] in charge["items"]


async def test_what_is_sold_stays_whatever_the_bands_become(
    shop: Shop, sandbox: Sandbox, owner: asyncpg.Connection, rows: asyncpg.Connection
) -> None:
    await shop.buy(await shop.quote(shop.portals[0]), await sandbox.card())
    every = "SELECT p::text FROM credit_purchases p WHERE tenant_id = $1"
    sold = await rows.fetch(every, shop.household.tenant_id)
    for change in (dearer, lambda bands: bands[:1], lambda _: BANDS):
        assert await price_bands.change(owner, change, "anna")
        assert await rows.fetch(every, shop.household.tenant_id) == sold


async def test_the_history_names_who_when_before_and_after(owner: asyncpg.Connection) -> None:
    began = await owner.fetchval("SELECT clock_timestamp()")
    first = await price_bands.change(owner, dearer, " anna ")
    second = await price_bands.change(owner, lambda bands: without_band(bands, D(5)), "bert")
    found = await price_bands.history(owner, 20)
    assert found == [second, first]
    assert first is not None
    assert second is not None
    assert (first.changed_by, second.changed_by) == ("anna", "bert")
    assert began < first.changed_at < second.changed_at
    assert first.before == tuple(BANDS)
    assert first.after == second.before == dearer(tuple(BANDS))
    assert [band.min_credits for band in second.after] == [1, 10, 25, 50, 100]
    assert await price_bands.history(owner, 1) == [second]


async def test_only_what_differs_is_written(owner: asyncpg.Connection) -> None:
    before = {row["min_credits"]: row for row in await owner.fetch("SELECT * FROM credit_price_bands")}
    await price_bands.change(owner, lambda bands: with_band(bands, BandChange(D(10), bonus_rate=D("0.06"))), "anna")
    after = {row["min_credits"]: row for row in await owner.fetch("SELECT * FROM credit_price_bands")}
    assert [start for start in before if after[start] != before[start]] == [D(10)]
    assert after[D(10)]["created_at"] == before[D(10)]["created_at"]
    assert after[D(10)]["updated_at"] > before[D(10)]["updated_at"]


async def test_what_is_so_already_is_no_change(owner: asyncpg.Connection) -> None:
    before = await rows_of(owner)
    assert await price_bands.change(owner, lambda _: BANDS, "anna") is None
    assert await rows_of(owner) == before


@pytest.mark.parametrize(
    ("decide", "changed_by", "says"),
    [
        (lambda bands: [replace(bands[0], unit_price_cents=-1)], "anna", "unit price of -1 cents"),
        (lambda bands: bands[1:], "anna", "The first band begins at 5 credits"),
        (lambda bands: [*bands, bands[-1]], "anna", "Two bands begin at 100 credits"),
        (lambda bands: [replace(bands[0], discount_rate=D(1))], "anna", "discount of 100 %"),
        (lambda _: [], "anna", "at least one price band"),
        (dearer, "  ", "Say who changes"),
        (dearer, "x" * 101, "Say who changes"),
    ],
)
async def test_a_refused_change_writes_nothing(
    owner: asyncpg.Connection, decide: Any, changed_by: str, says: str
) -> None:
    before = await rows_of(owner)
    with pytest.raises(Invalid, match=says):
        await price_bands.change(owner, decide, changed_by)
    assert await rows_of(owner) == before


async def test_operators_at_once_lose_nothing_of_each_other(urls: Urls, owner: asyncpg.Connection) -> None:
    """Twelve at once, each another band: all are in force, and each began with what the one before it left."""

    async def add(number: int) -> None:
        async with connecting(urls.owner) as mine:
            await price_bands.change(
                mine, lambda bands: with_band(bands, BandChange(D(200 + number), D("0.3"))), f"op {number}"
            )

    await asyncio.gather(*(add(number) for number in range(12)))
    starts = [band.min_credits for band in await price_bands.bands_in_force(owner)]
    assert starts == [1, 5, 10, 25, 50, 100, *range(200, 212)]
    changes = list(reversed(await price_bands.history(owner, 20)))
    assert sorted(change.changed_by for change in changes) == sorted(f"op {number}" for number in range(12))
    for earlier, later in pairwise(changes):
        assert later.before == earlier.after
        assert later.changed_at > earlier.changed_at


async def test_quotes_during_changes_are_of_one_list_or_the_other(shop: Shop, owner: asyncpg.Connection) -> None:
    """Readers never wait for an operator and never see half of a change."""
    lists = (tuple(BANDS), dearer(tuple(BANDS)))

    async def change() -> None:
        for turn in range(20):
            await price_bands.change(owner, lambda _, turn=turn: lists[(turn + 1) % 2], "anna")

    async def quote(portal: Portal) -> list[str]:
        document = """query Q($id: ID!) { creditBands { unitPrice { amount } }
          creditQuote(poolId: $id, credits: 10) { quote { unitPrice { amount } } } }"""
        found = []
        for _ in range(20):
            data = (await portal.ask(shop.household, "olivia", document, id=pool_id(shop.household))).data
            prices = {one["unitPrice"]["amount"] for one in data["creditBands"]}
            prices.add(data["creditQuote"]["quote"]["unitPrice"]["amount"])
            found.append("/".join(sorted(prices)))
        return found

    _, *found = await asyncio.gather(change(), *(quote(portal) for portal in shop.portals))
    assert {price for prices in found for price in prices} <= {"10.00", "20.00"}


async def test_whoever_serves_changes_neither_bands_nor_history(urls: Urls, owner: asyncpg.Connection) -> None:
    await price_bands.change(owner, dearer, "anna")
    before = await rows_of(owner)
    for url in (urls.app, urls.worker):
        async with connecting(url) as serving:
            for statement in (
                "UPDATE credit_price_bands SET unit_price_cents = 1",
                "DELETE FROM credit_price_band_changes",
                "SELECT * FROM credit_price_band_changes",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await serving.execute(statement)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await price_bands.change(serving, dearer, "mallory")
    assert await rows_of(owner) == before
