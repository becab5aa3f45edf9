"""What each job does. A job that fails for good is held in the queue for an operator; none is ever deleted unfinished."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from pgqueuer import PgQueuer
from pgqueuer.errors import RetryRequested
from pgqueuer.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Job as QueuedJob
from pgqueuer.models import Schedule

from app.metrics import Metrics
from app.payments.outcomes import GatewayUnavailable
from app.rules.purchases import FIRST_FOLLOW_UP
from app.rules.reconciliation import DEFAULT_DAYS
from app.services.auto_purchase.notices import AutoPurchaseMails
from app.services.auto_purchase.purchasing import AutoPurchasing
from app.services.card_notices import CardNotices
from app.services.inbox import Inbox
from app.services.payment_outcomes import PaymentMismatch
from app.services.purchases import Purchasing
from app.services.queue import Job
from app.services.receipts import Receipts
from app.services.reconciliation import Reconciliation
from app.services.refund_notices import NoticeMails
from app.services.refund_outcomes import RefundMismatch
from app.services.stripe_events.handler import Services
from app.services.stripe_events.registry import handle
from app.services.upkeep import Upkeep

log = structlog.get_logger("jobs")

MAX_ATTEMPTS = 40  # about a day and a half of tries, for a mail server's bad day
_LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers and what they need."""

    purchasing: Purchasing
    stripe: Services
    inbox: Inbox
    metrics: Metrics | None
    receipts: Receipts
    reconciliation: Reconciliation
    notices: NoticeMails
    upkeep: Upkeep
    auto_purchasing: AutoPurchasing
    auto_purchase_mails: AutoPurchaseMails
    card_notices: CardNotices

    async def finish_purchase(self, job: QueuedJob) -> None:
        """Follow an open purchase until it has ended. Money may be under way: no number of failures ends the following."""
        tenant_id, purchase_id = _ids(job)
        try:
            again_in = await self.purchasing.follow_up(tenant_id, purchase_id)
        except PaymentMismatch:
            raise  # time does not mend it: held for an operator in the end
        except Exception as error:
            log.warning("purchase.follow_up_failed", purchase_id=str(purchase_id), exc_info=error)
            raise RetryRequested(delay=FIRST_FOLLOW_UP, reason=f"{type(error).__name__}: {error}") from error
        if again_in is not None:
            raise RetryRequested(delay=again_in, reason="the purchase is still open")

    async def mail_receipt(self, job: QueuedJob) -> None:
        """Mail the receipt of a completed purchase."""
        await self.receipts.send(*_ids(job))

    async def finish_refund(self, job: QueuedJob) -> None:
        """Follow a refund until it has ended, as a purchase is followed."""
        payload = _payload(job)
        try:
            again_in = await self.stripe.refunding.follow_up(UUID(payload["tenant_id"]), UUID(payload["refund_id"]))
        except RefundMismatch:
            raise
        except Exception as error:
            log.warning("refund.follow_up_failed", refund_id=payload["refund_id"], exc_info=error)
            raise RetryRequested(delay=FIRST_FOLLOW_UP, reason=f"{type(error).__name__}: {error}") from error
        if again_in is not None:
            raise RetryRequested(delay=again_in, reason="the refund is still under way")

    async def mail_notice(self, job: QueuedJob) -> None:
        """Mail a notice to those who have been notified of it."""
        payload = _payload(job)
        await self.notices.send(UUID(payload["tenant_id"]), payload["dedupe_key"])

    async def handle_stripe_event(self, job: QueuedJob) -> None:
        """Handle one event of the inbox; a failure is kept with the event, tried again, and parked in the end."""
        event_id: str = _payload(job)["event_id"]
        event = await self.inbox.open_event(event_id)
        if event is None:
            return
        try:
            result: str = await handle(event.payload, self.stripe, failed_before=event.failed_before)
        except Exception as error:  # whatever it is, the event keeps it for the operator
            again_in = await self.inbox.failed(event_id, f"{type(error).__name__}: {error}")
            if again_in is None:
                # An alarm: nobody tries this event again before an operator says so (portal events retry).
                log.exception("stripe_event.parked", event_id=event_id, event_type=event.type, error=str(error))
                self._count(event.type, "parked")
                return
            log.warning("stripe_event.failed", event_id=event_id, event_type=event.type, error=str(error))
            self._count(event.type, "failed")
            raise RetryRequested(delay=again_in, reason=str(error)) from error
        await self.inbox.done(event_id)
        log.info("stripe_event.done", event_id=event_id, event_type=event.type, result=result)
        self._count(event.type, result)

    def _count(self, event_type: str, result: str) -> None:
        if self.metrics:
            self.metrics.event_tried(event_type, result)

    async def decide_auto_purchase(self, job: QueuedJob) -> None:
        """Buy for a pool that has too little, if its plan says so; Stripe being away is no reason to forget it."""
        payload = _payload(job)
        try:
            await self.auto_purchasing.run(UUID(payload["tenant_id"]), UUID(payload["pool_id"]))
        except GatewayUnavailable as error:
            raise RetryRequested(delay=FIRST_FOLLOW_UP, reason=str(error)) from error

    async def mail_auto_purchase(self, job: QueuedJob) -> None:
        """Mail to one address what has happened to a pool's automatic purchases."""
        payload = _payload(job)
        await self.auto_purchase_mails.send(UUID(payload["tenant_id"]), UUID(payload["event_id"]), payload["recipient"])

    async def sweep_auto_purchases(self, _: Schedule | None = None) -> None:
        """Decide for pools that nothing has triggered: a month that began, a wait that ended, a job that was lost."""
        decided = await self.auto_purchasing.sweep(await self.inbox.tenants())
        log.info("auto_purchases.swept", pools=decided)

    async def remind_of_cards(self, _: Schedule | None = None) -> None:
        """Tell of cards that end this month or next."""
        told = await self.card_notices.remind(await self.inbox.tenants())
        log.info("cards.reminded", cards=told)

    async def reconcile(self, _: Schedule | None = None) -> None:
        """Compare purchases with Stripe. What it can't explain is an alarm in the log; `portal reconcile` shows it as a table."""
        try:
            report = await self.reconciliation.run(self.inbox.tenants, days=DEFAULT_DAYS)
        except GatewayUnavailable as error:
            log.warning("reconciliation.stripe_unavailable", error=str(error))  # the next hour compares the same days
            return
        log.info(
            "reconciliation.done",
            purchases=report.purchases,
            payments=report.payments,
            put_right=len(report.findings) - len(report.unexplained),
            unexplained=len(report.unexplained),
        )

    async def create_partitions(self, _: Schedule | None = None) -> None:
        """Keep usage partitions three months ahead."""
        made = await self.inbox.create_partitions()
        log.info("usage.partitions", made=made)

    async def expire_holds(self, _: Schedule | None = None) -> None:
        """Give back what is held beyond its time. Should this be late, the pool's next spend does it."""
        expired = await self.upkeep.expire_holds(await self.inbox.tenants())
        log.info("spending.expired", pools=expired)

    async def reset_months(self, _: Schedule | None = None) -> None:
        """Begin the months that are due, those missed in a downtime too."""
        begun = await self.upkeep.reset_months(await self.inbox.tenants())
        log.info("pools.months_begun", periods=begun)


def register(queuer: PgQueuer, handlers: Handlers) -> None:
    """Connect the jobs' names with their handlers."""
    for job, handler in (
        (Job.FINISH_PURCHASE, handlers.finish_purchase),
        (Job.MAIL_RECEIPT, handlers.mail_receipt),
        (Job.FINISH_REFUND, handlers.finish_refund),
        (Job.MAIL_NOTICE, handlers.mail_notice),
        (Job.HANDLE_STRIPE_EVENT, handlers.handle_stripe_event),
        (Job.AUTO_PURCHASE, handlers.decide_auto_purchase),
        (Job.MAIL_AUTO_PURCHASE, handlers.mail_auto_purchase),
    ):
        queuer.entrypoint(job.value, on_failure="hold", executor_factory=_retrying)(handler)
    queuer.schedule("usage.partitions", "17 3 * * *")(handlers.create_partitions)
    queuer.schedule("cards.remind", "37 6 * * *")(handlers.remind_of_cards)
    queuer.schedule("spending.expire_holds", "* * * * *")(handlers.expire_holds)
    queuer.schedule("auto_purchases.sweep", "*/5 * * * *")(handlers.sweep_auto_purchases)
    queuer.schedule("payments.reconcile", "43 * * * *")(handlers.reconcile)
    queuer.schedule("pools.reset_months", "*/5 * * * *")(handlers.reset_months)


def _retrying(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    return DatabaseRetryEntrypointExecutor(
        parameters, max_attempts=MAX_ATTEMPTS, initial_delay=timedelta(seconds=2), max_delay=_LONGEST_DELAY
    )


def _payload(job: QueuedJob) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(job.payload or b"{}")
    return payload


def _ids(job: QueuedJob) -> tuple[UUID, UUID]:
    payload = _payload(job)
    return UUID(payload["tenant_id"]), UUID(payload["purchase_id"])
