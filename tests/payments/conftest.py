"""Where scenarios run: each that asks for `somewhere` runs in the sandbox, and in Stripe's test mode when there is a key for it."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.payments.gateway import Gateway
from app.services.purchases import Purchasing
from app.tenancy import Database
from tests.factories import make_household
from tests.payments.buyer import SIGNER, Buyer, NewBuyer
from tests.payments.sandbox import Sandbox
from tests.payments.somewhere import Somewhere, in_sandbox, in_test_mode, key_or_skip


@pytest.fixture(params=["sandbox", pytest.param("stripe", marks=pytest.mark.stripe_live)])
async def somewhere(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Somewhere]:
    """The sandbox, and Stripe's test mode."""
    where = in_sandbox(sandbox) if request.param == "sandbox" else in_test_mode(key_or_skip(os.environ))
    async with where as found:
        yield found


@pytest.fixture
def new_buyer(somewhere: Somewhere, database: Database, inspector: asyncpg.Connection) -> NewBuyer:
    """A buyer of a pool that Stripe does not know yet."""

    async def make(gateway: Gateway) -> Buyer:
        household = await make_household(database, stripe_customer_id=None)
        return Buyer(somewhere, Purchasing(database, gateway, SIGNER, "http://portal.example"), household, inspector)

    return make
