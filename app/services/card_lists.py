"""Reading cards for a page: Stripe is waited for a moment only, because the page's transaction stays open meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayUnavailable, PaymentMethod
from app.rules.errors import PaymentsUnavailable

log = structlog.get_logger("card_lists")

WAIT_SECONDS = 4.0
PAUSE_SECONDS = 5.0  # after a wait in vain nobody waits for so long: a Stripe that hangs must not hold every connection
AT_ONCE = 8

T = TypeVar("T")


class CardLists:
    """Cards as pages show them. Raises PaymentsUnavailable when Stripe does not answer in time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._places = asyncio.Semaphore(AT_ONCE)
        self._hangs_until = 0.0

    async def cards(self, customer_id: str | None) -> list[PaymentMethod]:
        """A customer's cards, the newest first; none without a customer."""
        return await self._ask(lambda: self._gateway.payment_methods(customer_id)) if customer_id else []

    async def card(self, method_id: str) -> PaymentMethod | None:
        """One card, whoever's it is."""
        return await self._ask(lambda: self._gateway.payment_method(method_id))

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        clock = asyncio.get_running_loop().time
        if clock() < self._hangs_until:
            raise _unavailable()
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._places:
                return await call()
        except TimeoutError:
            self._hangs_until = clock() + PAUSE_SECONDS
            log.warning("cards.no_answer", seconds=WAIT_SECONDS)
            raise _unavailable() from None
        except GatewayUnavailable as error:
            log.warning("cards.unavailable", error=str(error))
            raise _unavailable() from None


def _unavailable() -> PaymentsUnavailable:
    return PaymentsUnavailable(
        "The cards can't be shown: Stripe can't be reached just now. Try again in a few minutes."
    )
