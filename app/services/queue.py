"""Enqueue work for later in the business transaction: a rollback takes the job back too. app/jobs has the handlers."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import asyncpg
import orjson
from pgqueuer.queries import Queries

from app.tenancy import Transaction


class Job(StrEnum):
    """Names of the jobs, as the queue stores them. A name never changes its meaning: jobs outlive deployments."""

    FINISH_PURCHASE = "purchase.finish"
    MAIL_RECEIPT = "purchase.mail_receipt"
    HANDLE_STRIPE_EVENT = "stripe.event"
    FINISH_REFUND = "refund.finish"
    MAIL_NOTICE = "notice.mail"
    AUTO_PURCHASE = "auto_purchase.decide"
    MAIL_AUTO_PURCHASE = "auto_purchase.mail"


async def enqueue(tx: Transaction, job: Job, payload: dict[str, Any], *, after: timedelta | None = None) -> None:
    """Enqueue a job with this transaction; it may run once the transaction has committed, `after` from now."""
    async with tx.driver() as connection:
        await enqueue_on(connection, job, payload, after=after)


async def enqueue_on(
    connection: asyncpg.Connection, job: Job, payload: dict[str, Any], *, after: timedelta | None = None
) -> None:
    """The same on a bare connection: the webhook inbox has no tenant."""
    queries = Queries.from_asyncpg_connection(connection)
    await queries.enqueue(job.value, orjson.dumps(payload), execute_after=after)
