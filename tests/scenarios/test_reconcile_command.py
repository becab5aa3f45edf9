"""`portal reconcile` as an operator runs it: a table, a verdict, an exit status."""

from typing import Any

import pytest

from tests.scenarios.portal import INTENTS, Buying
from tests.scenarios.processes import command
from tests.scenarios.reconciling import Books


async def reconcile(buying: Buying, *arguments: str, **settings: Any) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    return await command(buying.portal.settings.model_copy(update=settings), "reconcile", *arguments)


async def test_a_dry_run_then_a_run_then_nothing(buying: Buying) -> None:
    books = Books(buying)
    await buying.sandbox.fault("lose_answer", path=INTENTS)
    purchase_id = await buying.buy()
    await books.nobody_else()
    await books.remember()
    mine = ("--tenant", str(buying.household.tenant_id))
    status, said, errors = await reconcile(buying, *mine, "--dry-run")
    assert (status, errors) == (0, "")
    assert "would get its credits: the payment was taken" in said
    assert "1 would be put right, 0 unexplained." in said
    await books.unchanged()

    status, said, errors = await reconcile(buying, *mine, "--days", "1")
    assert (status, errors) == (0, "")
    [row] = [line for line in said.splitlines() if str(purchase_id) in line]
    assert row.split()[:3] == [str(buying.household.tenant_id), "purchase", str(purchase_id)]
    assert "credits given" in row
    assert said.splitlines()[-1].startswith("1 purchases and ")
    assert said.endswith(": 1 put right, 0 unexplained.\n")
    assert (await buying.purchase(purchase_id))["status"] == "completed"

    status, said, _ = await reconcile(buying, *mine)
    assert (status, len(said.splitlines())) == (0, 1)
    assert said.endswith(": 0 put right, 0 unexplained.\n")


async def test_what_cannot_be_explained_is_the_exit_status(buying: Buying) -> None:
    purchase_id = await buying.buy()
    await Books(buying).sql("UPDATE credit_purchases SET payment_currency = 'EUR' WHERE id = $1", purchase_id)
    status, said, errors = await reconcile(buying, "--tenant", str(buying.household.tenant_id))
    await Books(buying).sql("UPDATE credit_purchases SET payment_currency = 'USD' WHERE id = $1", purchase_id)
    assert (status, errors) == (1, "")
    assert "unexplained  the purchase is €425.00, the payment (succeeded) $425.00" in said
    assert said.endswith(": 0 put right, 1 unexplained.\n")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--tenant", "0b5b6c1e-0000-4000-8000-000000000000"), 1, "portal: there is no tenant 0b5b6c1e-0000-4000-8000"),
        (("--tenant", "nonsense"), 2, "--tenant"),
        (("--days", "0"), 2, "--days"),
        (("--days", "367"), 2, "--days"),
    ],
)
async def test_wrong_arguments_are_refused(buying: Buying, arguments: tuple[str, ...], status: int, words: str) -> None:
    ended, said, errors = await reconcile(buying, *arguments)
    assert (ended, said) == (status, "")
    assert words in errors


async def test_without_stripe_it_says_so_in_one_line(buying: Buying) -> None:
    mine = ("--tenant", str(buying.household.tenant_id))
    status, said, errors = await reconcile(buying, *mine, stripe_api_base="http://127.0.0.1:9")
    assert (status, said, len(errors.splitlines())) == (1, "", 1)
    assert errors.startswith("portal: Stripe can't be asked: no answer from Stripe")
