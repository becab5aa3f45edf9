"""Reading cards for a page: Stripe is waited for a moment only, because the page's transaction stays open meanwhile.

So at most half of the connections wait for Stripe, and nobody who holds one waits for a place among them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, PaymentMethod
from app.rules.errors import PaymentsUnavailable

log = structlog.get_logger("card_lists")

WAIT_SECONDS = 4.0
PAUSE_SECONDS = 5.0  # after a wait in vain nobody waits for so long: a Stripe that hangs must not hold every connection

T = TypeVar("T")


class CardLists:
    """Cards as pages show them. Raises PaymentsUnavailable when Stripe does not answer in time."""

    def __init__(self, gateway: Gateway, connections: int) -> None:
        self._gateway = gateway
        self._places = asyncio.Semaphore(max(1, connections // 2))
        self._hangs_until = 0.0

    async def cards(self, customer_id: str) -> list[PaymentMethod]:
        """A customer's cards, the newest first. Refused at once when too many are being asked for."""
        return await self._ask(lambda: self._gateway.payment_methods(customer_id))

    async def card(self, method_id: str, *, waits: bool) -> PaymentMethod | None:
        """One card, whoever's it is. Who holds no connection `waits` for its turn."""
        return await self._ask(lambda: self._gateway.payment_method(method_id), waits=waits)

    async def _ask(self, call: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        clock = asyncio.get_running_loop().time
        if clock() < self._hangs_until:
            raise _unavailable()
        if self._places.locked() and not waits:
            raise _busy()
        asked = False
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._places:
                asked = True
                return await call()
        except TimeoutError:
            if not asked:
                raise _busy() from None
            self._hangs_until = clock() + PAUSE_SECONDS
            log.warning("cards.no_answer", seconds=WAIT_SECONDS)
            raise _unavailable() from None
        except GatewayError as error:  # Stripe is away, or refuses: a customer that was deleted there, say
            log.warning("cards.unavailable", error=str(error))
            raise _unavailable() from None


def _busy() -> PaymentsUnavailable:
    log.warning("cards.busy")
    return PaymentsUnavailable(
        "The cards can't be shown: too many people look at theirs at this moment. Try again in a few seconds."
    )


def _unavailable() -> PaymentsUnavailable:
    return PaymentsUnavailable(
        "The cards can't be shown: Stripe can't be reached just now. Try again in a few minutes."
    )
