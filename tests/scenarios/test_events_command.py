"""`portal events`, run as an operator runs it, on events that really failed."""

import json
from typing import Any
from uuid import uuid4

import asyncpg

from app.services.inbox import PARKED_AFTER
from tests.scenarios.portal import INTENTS, Buying
from tests.scenarios.processes import command

BOUGHT = ["subscription_grant", "purchase", "bonus_grant"]


async def portal(buying: Buying, *arguments: str) -> tuple[int, str, str]:
    return await command(buying.portal.settings, "events", *arguments)


async def row(buying: Buying, event_id: str) -> asyncpg.Record:
    kept = await buying.inbox(event_id)
    assert kept is not None
    return kept


async def failing(buying: Buying, tries: int = 1) -> dict[str, Any]:
    """The event of a payment of which Stripe tells nothing, tried so many times. The purchase knows nothing of it either."""
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    await buying.buy()
    [intent] = await buying.charges()
    [paid] = [one for one in await buying.sandbox.events(intent["id"]) if one["type"] == "payment_intent.succeeded"]
    await buying.sandbox.fault("rate_limit", path=f"{INTENTS}/", method="GET", times=1000)
    await buying.sandbox.fault("rate_limit", path=INTENTS, times=1000)
    assert await buying.webhook(paid) == 200
    await buying.worked()
    for _ in range(tries - 1):
        await buying.time_passes()
    assert (await row(buying, paid["id"]))["retry_count"] == tries
    return paid


async def stripe_is_well(buying: Buying) -> None:
    (await buying.sandbox.steer.delete("/faults")).raise_for_status()


async def test_a_parked_event_is_listed_put_back_and_handled(buying: Buying) -> None:
    paid = await failing(buying, PARKED_AFTER)
    code, output, _ = await portal(buying, "list", "--parked")
    [line] = [one for one in output.splitlines() if one.startswith(paid["id"])]
    words = line.split()
    assert (words[1], words[5], words[6]) == ("payment_intent.succeeded", "10", "parked")
    assert " ".join(words[7:]).startswith("NotAnswered: Stripe answered 429: ")
    assert code == 0
    code, output, errors = await portal(buying, "list", "--open", "--type", "payment_intent.succeeded")
    assert (code, paid["id"] in output) == (0, False), errors

    await stripe_is_well(buying)
    code, output, _ = await portal(buying, "retry", "--all-parked")
    assert code == 0
    told = (
        f"{paid['id']} (payment_intent.succeeded) was parked after 10 failed tries: put back, a worker tries it now.\n"
    )
    assert told in output
    await buying.worked()
    handled = await row(buying, paid["id"])
    assert (handled["processed_at"] is not None, handled["parked_at"], handled["error"]) == (True, None, None)
    assert [entry[0] for entry in await buying.entries()] == BOUGHT
    assert await portal(buying, "retry", "--all-parked") == (0, "No event is parked.\n", "")


async def test_a_failing_event_need_not_wait_and_is_handled_once(buying: Buying) -> None:
    paid = await failing(buying)
    await stripe_is_well(buying)
    code, output, _ = await portal(buying, "retry", paid["id"])
    assert code == 0
    assert output == (
        f"{paid['id']} (payment_intent.succeeded) was to be tried again after 1 failed try: put back, a worker tries it now.\n"
    )
    await buying.worked()
    assert (await row(buying, paid["id"]))["processed_at"] is not None
    jobs = await buying.portal.inspector.fetchval(
        "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'stripe.event' AND convert_from(payload, 'UTF8') LIKE $1",
        f"%{paid['id']}%",
    )
    assert jobs == 0
    assert [entry[0] for entry in await buying.entries()] == BOUGHT


async def test_what_cannot_be_tried_again_is_said_and_changes_nothing(buying: Buying) -> None:
    await buying.buy()
    delivered = await buying.sandbox.deliver()
    await buying.worked()
    handled = delivered[-1]["event"]
    before = await row(buying, handled)
    code, output, errors = await portal(buying, "retry", handled, "evt_nobody_has_seen")
    assert (code, errors) == (1, "")
    first, second = output.splitlines()
    assert first.startswith(f"{handled} ({before['event_type']}) is handled since 2")
    assert first.endswith(" UTC: there is nothing to try again.")
    assert second == "evt_nobody_has_seen: no event with this id has come in."
    assert await row(buying, handled) == before
    for wrong in (["retry"], ["retry", handled, "--all-parked"]):
        code, output, errors = await portal(buying, *wrong)
        assert (code, output) == (1, "")
        assert errors == "portal: name the events to try again, or give --all-parked\n"


async def test_an_event_is_shown_without_its_secrets(buying: Buying) -> None:
    paid = await failing(buying)
    secret = paid["data"]["object"]["client_secret"]
    assert secret in str((await row(buying, paid["id"]))["payload"])
    code, output, _ = await portal(buying, "show", paid["id"])
    assert code == 0
    head, _, payload = output.partition("{")
    assert head.splitlines()[0] == f"{paid['id']}  payment_intent.succeeded"
    assert "to be tried again after 1 failed try" in head
    assert "last error: NotAnswered: Stripe answered 429" in head
    shown = json.loads("{" + payload)
    assert shown["data"]["object"].pop("client_secret").endswith("_secret_***")
    assert secret not in output
    del paid["data"]["object"]["client_secret"]
    assert shown == paid
    await stripe_is_well(buying)
    await buying.time_passes()
    assert await portal(buying, "show", "evt_x") == (1, "", "portal: evt_x: no event with this id has come in.\n")


async def test_the_list_is_the_newest_first_by_state_and_type(buying: Buying) -> None:
    stranger = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "made.up.type",
        "livemode": False,
        "created": 1,
        "data": {"object": {"id": "x", "object": "x"}},
    }
    ids = []
    for kind in ("made.up.type", "made.up", "made.upon"):
        ids.append(f"evt_{uuid4().hex}")
        assert await buying.webhook(stranger | {"type": kind, "id": ids[-1]}) == 200
    await buying.worked()
    _, output, _ = await portal(buying, "list", "--type", "made.up")
    listed = [line.split() for line in output.splitlines()]
    assert listed[0] == ["id", "type", "received", "tries", "state", "error"]
    assert [(line[0], line[1], line[-2], line[-1]) for line in listed[1:]] == [
        (ids[1], "made.up", "0", "handled"),
        (ids[0], "made.up.type", "0", "handled"),
    ]
    _, output, _ = await portal(buying, "list", "--type", "made", "--limit", "1")
    assert [line.split()[0] for line in output.splitlines()] == ["id", ids[2], "The"]
    code, output, _ = await portal(buying, "list", "--failed", "--type", "made")
    assert (code, output) == (0, "There is no such event.\n")
