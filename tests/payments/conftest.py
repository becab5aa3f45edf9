"""Where scenarios run: each that asks for `somewhere` runs in the sandbox, and in Stripe's test mode when there is a key for it."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.payments.sandbox import Sandbox
from tests.payments.somewhere import Somewhere, in_sandbox, in_test_mode, key_or_skip


@pytest.fixture(params=["sandbox", pytest.param("stripe", marks=pytest.mark.stripe_live)])
async def somewhere(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Somewhere]:
    """The sandbox, and Stripe's test mode."""
    where = in_sandbox(sandbox) if request.param == "sandbox" else in_test_mode(key_or_skip(os.environ))
    async with where as found:
        yield found
