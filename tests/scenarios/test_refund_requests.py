"""A buyer asks for money back and an operator decides: over the API with real keys, and at the command line."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.rules.errors import (
    Forbidden,
    IdempotencyMismatch,
    NotFound,
    RefundNotPossible,
    RefundTooLarge,
)
from app.rules.node_ids import node_id
from app.services.refund_orders import RefundCommand
from tests.scenarios.portal import Buying, new_buying
from tests.scenarios.processes import command
from tests.scenarios.refunding import PAID, REFUNDS, Refunds, bought
from tests.scenarios.test_buying import receipts_to, text_of

WHOLE = [("purchased", "-50"), ("bonus", "-7.5")]


async def requested(refunds: Refunds, who: str = "olivia", reason: str = "bought by mistake") -> UUID:
    principal = refunds.buying.household.principal(who)
    return await refunds.refunding.request(principal, refunds.command(reason=reason))


async def test_asked_approved_and_given_back(buying: Buying) -> None:
    refunds = await bought(buying)
    refund_id = await requested(refunds)
    row = await refunds.row(refund_id)
    assert (row["status"], row["origin"], row["amount_cents"], row["reason"]) == (
        "requested",
        "request",
        PAID,
        "bought by mistake",
    )
    assert row["requested_by"] == buying.household.people["olivia"].user_id
    assert (await refunds.asked(), await refunds.refund_entries()) == (0, [])
    await buying.worked()
    asked = [mail for mail in receipts_to(buying, refunds.purchase_id) if mail["Subject"] == "A refund was requested"]
    assert sorted(mail["To"] for mail in asked) == ["adam@example.com", "olivia@example.com"]
    assert "Reason: bought by mistake" in text_of(asked[0])
    await refunds.refunding.approve(refunds.tenant_id, refund_id)
    assert await refunds.status(refund_id) == "succeeded"
    assert await refunds.refund_entries() == WHOLE
    (made,) = await refunds.at_stripe()
    assert made["reason"] == "requested_by_customer"
    await refunds.refunding.approve(refunds.tenant_id, refund_id)
    assert len(await refunds.at_stripe()) == 1


async def test_approved_in_part_and_asked_again(buying: Buying) -> None:
    refunds = await bought(buying)
    first = await requested(refunds)
    await refunds.refunding.approve(refunds.tenant_id, first, 8_500)
    assert await refunds.purchase() == ("partially_refunded", 8_500)
    second = await requested(refunds)
    assert (await refunds.row(second))["amount_cents"] == PAID - 8_500
    await refunds.refund(8_500)  # an operator, meanwhile
    with pytest.raises(RefundTooLarge):
        await refunds.refunding.approve(refunds.tenant_id, second, PAID - 8_500)
    assert await refunds.status(second) == "requested"
    await refunds.refunding.approve(refunds.tenant_id, second)
    assert await refunds.purchase() == ("refunded", PAID)
    assert sum(one["amount"] for one in await refunds.at_stripe()) == PAID


async def test_rejected_with_a_reason(buying: Buying) -> None:
    refunds = await bought(buying)
    refund_id = await requested(refunds)
    await refunds.refunding.reject(refunds.tenant_id, refund_id, "the credits were used for a month")
    await refunds.refunding.reject(refunds.tenant_id, refund_id, "again")
    row = await refunds.row(refund_id)
    assert (row["status"], row["decision_note"]) == ("rejected", "the credits were used for a month")
    with pytest.raises(RefundNotPossible, match="rejected already"):
        await refunds.refunding.approve(refunds.tenant_id, refund_id)
    await buying.worked()
    declined = [
        mail for mail in receipts_to(buying, refunds.purchase_id) if mail["Subject"] == "The refund was declined"
    ]
    assert len(declined) == 2
    assert "used for a month" in text_of(declined[0])
    assert (await refunds.asked(), await refunds.refund_entries()) == (0, [])
    assert await requested(refunds, reason="please look again") != refund_id


async def test_a_decision_that_was_made_stands(buying: Buying) -> None:
    refunds = await bought(buying)
    refund_id = await requested(refunds)
    decisions = [refunds.refunding.approve(refunds.tenant_id, refund_id) for _ in range(4)]
    outcomes = await asyncio.gather(
        *decisions, refunds.refunding.reject(refunds.tenant_id, refund_id, "no"), return_exceptions=True
    )
    status = await refunds.status(refund_id)
    refused = [type(one) for one in outcomes if one is not None]
    assert (status, refused) in [("succeeded", [RefundNotPossible]), ("rejected", [RefundNotPossible] * 4)]
    assert len(await refunds.at_stripe()) == (status == "succeeded")
    with pytest.raises(RefundNotPossible, match="already"):
        await refunds.refunding.approve(refunds.tenant_id, refund_id, 1)


async def test_the_same_key_is_the_same_request(buying: Buying) -> None:
    refunds = await bought(buying)
    order, olivia = refunds.command(), buying.household.principal("olivia")
    ids = await asyncio.gather(*(refunds.refunding.request(olivia, order) for _ in range(10)))
    assert len(set(ids)) == 1
    await buying.worked()
    before = await refunds.untouched()
    with pytest.raises(IdempotencyMismatch):
        await refunds.refunding.request(olivia, refunds.command(key=order.idempotency_key, reason="another"))
    with pytest.raises(IdempotencyMismatch):
        await refunds.refunding.refund(refunds.tenant_id, order)
    with pytest.raises(RefundNotPossible, match="requested already"):
        await refunds.refunding.request(olivia, refunds.command())
    assert await refunds.untouched() == before


async def test_who_may_ask(buying: Buying) -> None:
    refunds = await bought(buying)
    stranger = await new_buying(buying.portal, buying.sandbox, buying.gateway)
    failed = await buying.buy(await buying.command("4000000000000002"))
    key = await refunds.till().new_key("refunds:write", "pool:read")
    before = await refunds.untouched()
    for principal, purchase_id, refusal in (
        (stranger.household.principal("olivia"), refunds.purchase_id, NotFound),
        (buying.household.principal("olivia"), uuid4(), NotFound),
        (buying.household.principal("rosa"), refunds.purchase_id, NotFound),  # sees no balance: it does not exist
        (buying.household.principal("mia"), refunds.purchase_id, Forbidden),
        (key, refunds.purchase_id, Forbidden),
        (buying.household.principal("olivia"), failed, RefundNotPossible),
    ):
        with pytest.raises(refusal):
            await refunds.refunding.request(principal, RefundCommand(purchase_id, "why not", uuid4()))
    for wrong, refusal in ((buying.household.principal("olivia"), Forbidden), (stranger.household.tenant_id, NotFound)):
        with pytest.raises(refusal):
            await refunds.refunding.approve(wrong, uuid4())
    assert await refunds.untouched() == before
    assert await requested(refunds, "adam")  # an admin may buy, so may ask for the pool


async def test_a_member_who_bought_asks_and_the_managers_hear_of_it(buying: Buying) -> None:
    """Mia sees nobody else of the pool; owner and admin are told all the same."""
    await buying.portal.inspector.execute(
        "UPDATE credit_pool_members SET permissions = permissions || '{\"canPurchaseCredits\": true}' WHERE id = $1",
        buying.household.people["mia"].member_id,
    )
    refunds = await bought(buying)
    await buying.portal.inspector.execute(
        "UPDATE credit_purchases SET user_id = $2 WHERE id = $1",
        refunds.purchase_id,
        buying.household.people["mia"].user_id,
    )
    await requested(refunds, "mia")
    told = await buying.rows(
        "SELECT u.email FROM notifications n JOIN users u ON u.tenant_id = n.tenant_id AND u.id = n.user_id"
        " WHERE n.tenant_id = $1 AND n.kind = 'refund.requested' ORDER BY 1"
    )
    assert [row[0] for row in told] == ["adam@example.com", "mia@example.com", "olivia@example.com"]


async def test_the_commands_give_list_and_decide(buying: Buying) -> None:
    async def portal(*arguments: str) -> tuple[int, str]:
        status, output, errors = await command(buying.portal.settings, *arguments)
        return status, output + errors

    refunds = await bought(buying)
    address, key = node_id("CreditPurchase", refunds.purchase_id), str(uuid4())
    part = ("refund", address, "--amount-cents", "8500", "--reason", "half was enough", "--key", key)
    status, output = await portal(*part)
    assert status == 0, output
    assert "$85.00: succeeded\nThe money is on its way." in output
    assert (await portal(*part))[1] == output
    assert await refunds.purchase() == ("partially_refunded", 8_500)
    refund_id = await requested(refunds, reason="the rest, please")
    status, output = await portal("refunds", "list")
    assert (status, str(refund_id) in output, "the rest, please" in output, "half was enough" in output) == (
        0,
        True,
        True,
        False,
    )
    assert "half was enough" in (await portal("refunds", "list", "--all"))[1]
    status, output = await portal("refunds", "reject", str(refund_id), "--reason", "it was used")
    assert (status, "rejected\nYour request was declined: it was used." in output) == (0, True)
    again = await requested(refunds)
    status, output = await portal("refunds", "approve", node_id("Refund", again), "--amount-cents", "17000")
    assert (status, "$170.00: succeeded" in output) == (0, True)
    await buying.sandbox.fault("server_error", path=REFUNDS, times=3)
    status, output = await portal("refund", address, "--full", "--reason", "x")
    assert (status, "$170.00: pending\nThe refund is approved and being sent" in output) == (0, True)
    await buying.time_passes()
    assert await refunds.purchase() == ("refunded", PAID)


WRONG = (
    ("refund {purchase} --amount-cents 42501 --reason x", "portal: 425.01 USD can't be refunded: 425.00 is left"),
    ("refund {purchase} --amount-cents 0 --reason x", "portal: A refund is at least 0.01 USD; 0.00 was asked for."),
    ("refund {purchase} --full --reason \u2003", "portal: Say why, in 1 to 500 characters."),
    ("refund {nobodys} --full --reason x", "portal: there is no purchase "),
    ("refund nonsense --full --reason x", "portal: nonsense is no id of a purchase"),
    ("refund {purchase} --reason x", "say either --amount-cents N or --full"),
    ("refund {purchase} --full --amount-cents 1 --reason x", "say either --amount-cents N or --full"),
    ("refunds approve {nobodys}", "portal: there is no refund "),
    ("refunds reject {decided} --reason x", "portal: This request was approved already, with 42500 cents"),
)


async def test_what_the_commands_refuse(buying: Buying) -> None:
    decided = await bought(buying)
    request = await requested(decided)
    await decided.refunding.approve(decided.tenant_id, request)
    refunds = await bought(buying)
    names = {"purchase": refunds.purchase_id, "nobodys": uuid4(), "decided": request}
    before = await refunds.untouched()
    for line, words in WRONG:
        arguments = [one.format(**names) for one in line.split(" ")]
        status, _, errors = await command(buying.portal.settings, *arguments)
        assert status != 0, arguments
        assert words in " ".join(errors.replace("│", "").split()), arguments
    assert await refunds.untouched() == before
