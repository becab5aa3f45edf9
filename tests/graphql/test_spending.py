"""Spending over HTTP: holds, settlements, releases and quotes by an API key and by a person."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.auth.api_keys import generate
from app.services.ledger_audit import audit
from app.tenancy import Database
from tests.factories import Household, make_household
from tests.graphql.portal import Portal, node_id, pool_id

ANSWERS = """{
  answers {
    requestId
    reservation { id requestId requestType modelId status amount settled expiresAt contentFiltering }
    error { code path message messageKey }
    limit { code limit used remaining resetsAt blocks canBeLiftedBy message }
  }
  userErrors { code message }
}"""
RESERVE = f"mutation ($items: [ReserveInput!]!) {{ creditsReserve(reservations: $items) {ANSWERS} }}"
SETTLE = f"mutation ($items: [SettleInput!]!) {{ creditsSettle(settlements: $items) {ANSWERS} }}"
RELEASE = f"mutation ($ids: [ID!]!) {{ creditsRelease(reservationIds: $ids) {ANSWERS} }}"
QUOTE = """mutation ($item: ReserveInput!) { creditsQuoteUsage(request: $item) {
  check { credits allowed limits { code blocks limit remaining resetsAt canBeLiftedBy message } }
  userErrors { code path message }
} }"""
CHECK = """query ($id: ID!, $credits: Decimal) { pool(id: $id) { spendCheck(credits: $credits) {
  credits allowed limits { code blocks limit used remaining resetsAt canBeLiftedBy message }
} } }"""
ASK = "query ($id: UUID!) { reservation(requestId: $id) { id status amount settled } }"


async def household(database: Database, **more: Any) -> Household:
    return await make_household(database, **{"tier": "ENTERPRISE_PLUS", "included": Decimal(6), **more})


async def new_key(rows: asyncpg.Connection, made: Household, *scopes: str) -> str:
    key = generate(made.tenant_id)
    await rows.execute(
        "INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, scopes) VALUES ($1, $2, 'gateway', $3, $4, $5)",
        made.tenant_id, key.key_id, key.secret_hash, key.prefix, list(scopes),
    )  # fmt: skip
    return key.text


def item(made: Household, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A request for a credit's worth of speech."""
    values = {
        "poolId": pool_id(made),
        "requestId": str(uuid4()),
        "requestType": "speech",
        "modelId": "gpt-x",
        "usage": {"characters": "100000"},
        **more,
    }
    return values | ({"userId": node_id("User", made.people[name].user_id)} if name else {})


async def clean(database: Database, made: Household) -> bool:
    return [fault async for fault in audit(database, made.tenant_id)] == []


async def test_a_gateways_round(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    made = await household(database)
    key = await new_key(rows, made, "usage:write")
    asked = [item(made, "mia"), item(made, "rosa"), item(made, "mia", modelId="")]
    held = (await portal.send(key, RESERVE, items=asked)).data["creditsReserve"]
    assert held["userErrors"] == []
    first, second, bad = held["answers"]
    assert (first["reservation"]["status"], first["reservation"]["amount"], first["requestId"]) == (
        "held",
        "1.000000",
        asked[0]["requestId"],
    )
    assert (bad["reservation"], bad["error"]["path"], bad["requestId"]) == (None, ["modelId"], asked[2]["requestId"])
    settlements = [
        {"reservationId": first["reservation"]["id"], "usage": {"characters": "50000"}, "latencyMs": 120},
        {"poolId": pool_id(made), "requestId": asked[1]["requestId"]},
        {"reservationId": "nonsense", "usage": {"characters": 1}},
    ]
    settled = (await portal.send(key, SETTLE, items=settlements)).data["creditsSettle"]["answers"]
    assert (settled[0]["reservation"]["status"], settled[0]["reservation"]["settled"]) == ("settled", "0.500000")
    assert [one["error"]["code"] for one in settled[1:]] == ["USAGE_MISSING", "NOT_FOUND"]
    released = (await portal.send(key, RELEASE, ids=[second["reservation"]["id"], first["reservation"]["id"]])).data[
        "creditsRelease"
    ]["answers"]
    assert released[0]["reservation"]["status"] == "released"
    assert released[1]["error"]["code"] == "RESERVATION_CLOSED"
    assert await rows.fetchval("SELECT balance_available FROM credit_pools WHERE id = $1", made.pool_id) == Decimal(
        "5.5"
    )
    found = (await portal.send(key, ASK, id=asked[0]["requestId"])).data["reservation"]
    assert found == {"id": first["reservation"]["id"], "status": "settled", "amount": "1.000000", "settled": "0.500000"}
    node = await portal.send(
        key, "query ($id: ID!) { node(id: $id) { id ... on Reservation { status } } }", id=found["id"]
    )
    assert node.data["node"] == {"id": found["id"], "status": "settled"}
    assert (await portal.send(key, ASK, id=str(uuid4()))).data["reservation"] is None
    assert await clean(database, made)


async def test_a_person_spends_for_themselves(portal: Portal, database: Database) -> None:
    made, other = await household(database), await household(database)
    asked = [item(made), item(made, "mia"), item(made, "olivia"), item(other)]
    answers = (await portal.ask(made, "mia", RESERVE, items=asked)).data["creditsReserve"]["answers"]
    got = [one["error"]["code"] if one["error"] else one["reservation"]["status"] for one in answers]
    assert got == ["held", "held", "NOT_FOUND", "NOT_FOUND"]
    assert await clean(database, made)


async def test_the_gates_no_names_the_limit(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    made = await household(database)
    await rows.execute(
        "UPDATE credit_pool_members SET daily_credit_limit = 0.5 WHERE user_id = $1", made.people["mia"].user_id
    )
    (answer,) = (await portal.ask(made, "mia", RESERVE, items=[item(made)])).data["creditsReserve"]["answers"]
    assert answer["reservation"] is None
    assert answer["error"]["code"] == answer["limit"]["code"] == "DAILY_LIMIT"
    assert (answer["limit"]["limit"], answer["limit"]["blocks"], answer["limit"]["canBeLiftedBy"]) == (
        "0.500000",
        True,
        "SETTINGS",
    )
    assert answer["limit"]["resetsAt"]
    quoted = (await portal.ask(made, "mia", QUOTE, item=item(made))).data["creditsQuoteUsage"]
    assert (quoted["check"]["credits"], quoted["check"]["allowed"]) == ("1.000000", False)
    assert [one["code"] for one in quoted["check"]["limits"] if one["blocks"]] == ["DAILY_LIMIT"]
    small = (await portal.ask(made, "mia", CHECK, id=pool_id(made), credits="0.5")).data["pool"]["spendCheck"]
    large = (await portal.ask(made, "mia", CHECK, id=pool_id(made), credits="0.500001")).data["pool"]["spendCheck"]
    assert (small["allowed"], large["allowed"]) == (True, False)
    why = (await portal.ask(made, "mia", CHECK, id=pool_id(made))).data["pool"]["spendCheck"]
    assert why["allowed"]
    assert "MODEL_BLOCKED" not in [one["code"] for one in why["limits"]]
    assert await clean(database, made)


async def test_quotes_of_a_key(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    made = await household(database)
    key, reader = await new_key(rows, made, "usage:write"), await new_key(rows, made, "usage:read")
    quoted = (await portal.send(key, QUOTE, item=item(made, "mia", usage={"characters": 700_000}))).data[
        "creditsQuoteUsage"
    ]
    assert [one["code"] for one in quoted["check"]["limits"] if one["blocks"]] == ["INSUFFICIENT_CREDITS"]
    refused = (await portal.send(reader, QUOTE, item=item(made, "mia"))).data["creditsQuoteUsage"]
    assert (refused["check"], refused["userErrors"][0]["code"]) == (None, "FORBIDDEN")
    nobody = (await portal.send(key, QUOTE, item=item(made))).data["creditsQuoteUsage"]
    assert nobody["userErrors"][0]["code"] == "NOT_FOUND"
    other = (await portal.ask(made, "mia", QUOTE, item=item(made, "olivia"))).data["creditsQuoteUsage"]
    assert other["userErrors"][0]["code"] == "FORBIDDEN"
    assert await rows.fetchval("SELECT count(*) FROM credit_reservations WHERE tenant_id = $1", made.tenant_id) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usage": {"characters": -1}}, "WRONG_FIGURES"),
        ({"usage": {"characters": 0}}, "WRONG_FIGURES"),
        ({"usage": {"characters": "0.5"}}, "WRONG_FIGURES"),
        ({"usage": {"characters": "1e400"}}, "WRONG_FIGURES"),
        ({"usage": {"inputTokens": 5}}, "USAGE_MISSING"),
        ({"requestType": "telepathy"}, "UNKNOWN_REQUEST_TYPE"),
        ({"requestId": "not-a-uuid"}, "INVALID"),
        ({"holdSeconds": 0}, "INVALID"),
        ({"holdSeconds": 86_401}, "INVALID"),
        ({"modelId": "tab\t"}, "INVALID"),
        ({"modelId": "m" * 101}, "INVALID"),
        ({"providerId": "\u200b"}, "INVALID"),
        ({"poolId": "nonsense"}, "NOT_FOUND"),
        ({"userId": "nonsense"}, "NOT_FOUND"),
    ],
)
async def test_bad_items_spoil_no_other(
    portal: Portal, database: Database, rows: asyncpg.Connection, changes: dict[str, Any], code: str
) -> None:
    made = await household(database)
    key = await new_key(rows, made, "usage:write")
    asked = [item(made, "mia"), item(made, "mia") | changes, item(made, "mia")]
    answer = await portal.send(key, RESERVE, items=asked)
    answers = answer.data["creditsReserve"]["answers"]
    assert [one["error"] and one["error"]["code"] for one in answers] == [None, code, None]
    assert await rows.fetchval("SELECT held_count FROM credit_pools WHERE id = $1", made.pool_id) == 2


async def test_lists_have_1_to_500_items(portal: Portal, database: Database, rows: asyncpg.Connection) -> None:
    made = await household(database)
    key = await new_key(rows, made, "usage:write")
    small = {"usage": {"characters": 1}}
    for count in (0, 501):
        payload = (await portal.send(key, RESERVE, items=[item(made, "mia", **small) for _ in range(count)])).data[
            "creditsReserve"
        ]
        assert (payload["answers"], payload["userErrors"][0]["code"]) == ([], "LIST_SIZE")
    assert await rows.fetchval("SELECT held_count FROM credit_pools WHERE id = $1", made.pool_id) == 0
    payload = (await portal.send(key, RESERVE, items=[item(made, "mia", **small) for _ in range(500)])).data[
        "creditsReserve"
    ]
    assert len([one for one in payload["answers"] if one["reservation"]]) == 500


async def test_keys_without_the_scope_and_revoked_between_calls(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    made = await household(database)
    reader, key = await new_key(rows, made, "usage:read"), await new_key(rows, made, "usage:write")
    payload = (await portal.send(reader, RESERVE, items=[item(made, "mia")])).data["creditsReserve"]
    assert (payload["answers"], payload["userErrors"][0]["code"]) == ([], "FORBIDDEN")
    assert (await portal.send(key, RESERVE, items=[item(made, "mia")])).data["creditsReserve"]["answers"][0][
        "reservation"
    ]
    await rows.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1", made.tenant_id)
    answer = await portal.send(key, RESERVE, items=[item(made, "mia")])
    assert answer.status == 401
    assert await rows.fetchval("SELECT held_count FROM credit_pools WHERE id = $1", made.pool_id) == 1


async def test_statements_do_not_grow_with_the_items(
    portal: Portal, database: Database, rows: asyncpg.Connection
) -> None:
    made = await household(database)
    key = await new_key(rows, made, "usage:write")
    counts = []
    for count in (1, 50, 1, 50):  # the first of each also prepares its statements
        portal.statements.clear()
        asked = [item(made, "mia", usage={"characters": 1}) for _ in range(count)]
        (await portal.send(key, RESERVE, items=asked)).data  # noqa: B018
        settlements = [
            {"poolId": pool_id(made), "requestId": one["requestId"], "usage": {"characters": 1}} for one in asked
        ]
        (await portal.send(key, SETTLE, items=settlements)).data  # noqa: B018
        counts.append(len(portal.statements))
    assert counts[2] == counts[3]
