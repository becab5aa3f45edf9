"""A process that spends, for the tests of many at once: reads its orders as JSON from stdin, writes what it was answered to stdout.

Started, it says "ready" and waits for a line, so that all processes begin together.
"""

import asyncio
import json
import sys
from typing import Any
from uuid import UUID, uuid4

from app.auth.actor import ServicePrincipal
from app.rules.consumption import RequestType
from app.rules.errors import Refusal
from app.services.catalogue import CatalogueCache
from app.services.spending.commands import Reserve, Settle
from app.services.spending.service import Spending
from app.tenancy import Database
from tests.spending.till import worth


async def spend(orders: dict[str, Any]) -> list[str]:
    """`tasks` tasks share `spends` spends: each holds `credits` and, if it may, settles them. The answers: "settled" or a code."""
    database = Database(orders["url"], pool_size=4)
    spending = Spending(database, CatalogueCache(database))
    key = ServicePrincipal(UUID(orders["tenant"]), UUID(orders["key"]), bytes.fromhex(orders["secret_hash"]))
    pool, figures = UUID(orders["pool"]), worth(orders["credits"])
    left, answers = list(range(orders["spends"])), []

    async def task() -> None:
        while left:
            left.pop()
            request_id = UUID(orders["request_id"]) if orders["request_id"] else uuid4()
            asked = Reserve(UUID(orders["user"]), request_id, RequestType.TRANSCRIPTION, "gpt-x", figures)
            (answer,) = await spending.submit(key, [(pool, asked)])
            if not isinstance(answer, Refusal) and orders["settle"]:
                (answer,) = await spending.submit(key, [(pool, Settle(request_id, figures))])
            answers.append(
                answer.code.value if isinstance(answer, Refusal) else f"{answer.status} {answer.id}" if answer else ""
            )

    await asyncio.gather(*(task() for _ in range(orders["tasks"])))
    await database.close()
    return answers


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    json.dump(asyncio.run(spend(given)), sys.stdout)
