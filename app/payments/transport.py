"""How requests reach Stripe: one pool of connections, bounded waits, and loopback never through a proxy.

The library's own client on httpx hands loopback addresses to the machine's HTTP_PROXY, and passes bodies in a way that httpx deprecates.
"""

import asyncio
from collections.abc import Awaitable, Mapping

import httpx
import stripe

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Transport(stripe.HTTPClient):
    """Sends what Stripe's library has prepared. The library retries; a lost answer is its APIConnectionError."""

    name = "httpx"

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        direct: dict[str, httpx.AsyncBaseTransport | None] = {f"all://{host}": None for host in _LOOPBACK}
        self._client = httpx.AsyncClient(timeout=timeout_seconds, mounts=direct)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """(body, status, headers) of the answer."""
        try:
            answer = await self._client.request(method, url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            raise stripe.APIConnectionError(reason, should_retry=True) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """Wait between two attempts."""
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Close the connections."""
        await self._client.aclose()
