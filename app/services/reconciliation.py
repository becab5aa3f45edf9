"""Reconciliation: purchases and refunds against what Stripe has, both ways (rulings 20 and 22). What a lost webhook, answer or job left
open is put right by the same functions that these would have used; what nobody can explain is reported and left as it is.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select
from sqlalchemy.exc import SQLAlchemyError

from app.auth.actor import utc_now
from app.payments.gateway import Gateway
from app.payments.outcomes import Canceled, Declined, GatewayError, GatewayUnavailable
from app.payments.payment_lists import StripePayment
from app.rules.disputes import ENDED
from app.rules.money import money_text
from app.rules.purchases import ACTION_EXPIRES_AFTER, OPEN, PurchaseStatus
from app.rules.reconciliation import Action, PurchaseSide, Standing, StripeSide, Verdict, compare
from app.rules.refunds import UNFINISHED
from app.services.payment_outcomes import PaymentMismatch
from app.services.purchases import Purchasing
from app.services.reconciliation_report import Finding, Report, tell
from app.services.refund_outcomes import RefundMismatch
from app.services.refund_reconciliation import RefundReconciliation
from app.services.refunds import NotAnswered, Refunding
from app.services.stripe_events.handler import subject_of
from app.services.subscription_reconciliation import SubscriptionReconciliation
from app.tenancy import CONNECTION_ERRORS, ActorKind, Database, Scope
from models.disputes import Dispute
from models.purchases import CreditPurchase
from models.refunds import Refund

CLOCKS_DIFFER = timedelta(minutes=10)  # Stripe's and the database's

Tenants = Callable[[], Awaitable[Sequence[UUID]]]
Payments = Mapping[UUID, list[StripePayment]]  # by purchase, the newest first


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Runs as the worker, in one tenant at a time. Two at once do no harm: each outcome is applied once."""

    database: Database
    gateway: Gateway
    purchasing: Purchasing

    async def run(self, tenants: Tenants, *, days: int, dry_run: bool = False, whole: bool = True) -> Report:
        """Compare the last `days` days of these tenants; `whole`: there are no others, so payments of others are nobody's.

        Payments are listed before tenants and purchases are read: whatever Stripe has by then is there to be seen. Raises
        GatewayUnavailable when Stripe does not answer; what was put right before stays so.
        """
        now = utc_now()
        since = now - timedelta(days=days)
        listed = await self.gateway.payments_between(since - CLOCKS_DIFFER, now + CLOCKS_DIFFER)
        given_back = await self.gateway.given_back_between(since - CLOCKS_DIFFER, now + CLOCKS_DIFFER)
        by_tenant, foreign = _by_tenant(listed)
        subscriptions = SubscriptionReconciliation(self.database, self.gateway)
        findings: list[Finding] = []
        purchases = 0
        for tenant_id in await tenants():
            payments = by_tenant.pop(tenant_id, {})
            rows = await self._purchases(tenant_id, since, payments, given_back)
            purchases += len(rows)
            for row in rows:
                findings += map(tell, await self._both(row, payments.get(row.id, []), given_back, dry_run=dry_run))
            findings += map(tell, _nobodys(tenant_id, payments, {row.id for row in rows}))
            await subscriptions.compare(tenant_id)
        findings += map(tell, await subscriptions.findings())
        if whole:
            for tenant_id, payments in by_tenant.items():
                findings += map(tell, _nobodys(tenant_id, payments, set()))
        return Report(purchases, len(listed), foreign, tuple(findings))

    async def _purchases(
        self, tenant_id: UUID, since: datetime, payments: Payments, given_back: Collection[str]
    ) -> Sequence[Row[Any]]:
        """The purchases of the window, those open or with open refunds however old, and those that something at Stripe names."""
        every = [status.value for status in PurchaseStatus]
        still_open = [status.value for status in OPEN]
        async with self.database.transaction(Scope(tenant_id, ActorKind.WORKER), read_only=True) as tx:
            return await tx.rows(
                _STATEMENT.where(
                    CreditPurchase.tenant_id == tenant_id,
                    or_(
                        CreditPurchase.status.in_(every) & (CreditPurchase.created_at >= since),
                        CreditPurchase.status.in_(still_open),
                        CreditPurchase.id.in_(payments),
                        CreditPurchase.stripe_payment_intent_id.in_(given_back),
                        _money_moves,
                    ),
                ).order_by(CreditPurchase.created_at, CreditPurchase.id)
            )

    async def _both(
        self, row: Row[Any], listed: list[StripePayment], given_back: Collection[str], *, dry_run: bool
    ) -> list[Finding]:
        """Look at a purchase's payment, then at the money that went back; the second only where the first can be explained."""
        findings: list[Finding] = []
        try:
            if found := await self._payment(row, listed, dry_run=dry_run):
                findings.append(found)
            moved = row.refunded_cents or row.money_moves or row.stripe_payment_intent_id in given_back
            if moved and all(one.explained for one in findings):
                found = await self._money_back(row, row.stripe_payment_intent_id, dry_run=dry_run)
                findings += [found] if found else []
        except GatewayUnavailable:
            raise
        except (
            PaymentMismatch,
            RefundMismatch,
            NotAnswered,
            GatewayError,
            SQLAlchemyError,
            *CONNECTION_ERRORS,
        ) as error:
            findings.append(_finding(row, f"{type(error).__name__}: {error}", explained=False))
        return findings

    async def _payment(self, row: Row[Any], listed: list[StripePayment], *, dry_run: bool) -> Finding | None:
        """Compare one purchase with its payment, and put right what can be."""
        payments = listed or await self._stored(row.stripe_payment_intent_id)
        verdict = _compare(row, payments)
        if verdict.unexplained and listed:
            # The list may be older than the purchase as it was read.
            payments = [one for old in listed for one in await self._stored(old.id)]
            verdict = _compare(row, payments)
        if verdict.unexplained:
            return _finding(row, verdict.unexplained, explained=False)
        if verdict.action is Action.NOTHING:
            return None
        if dry_run:
            return _finding(row, _would(verdict, payments))
        return await self._put_right(row, verdict, payments)

    async def _money_back(self, row: Row[Any], payment_intent_id: str | None, *, dry_run: bool) -> Finding | None:
        """Compare a purchase's refunds and disputes, and bring them up to Stripe."""
        if payment_intent_id is None:
            return None
        refunds = RefundReconciliation(Refunding(self.database, self.gateway, self.purchasing))
        which = (row.tenant_id, row.id, payment_intent_id)
        before = await refunds.differences(*which)
        if not before or dry_run:
            return _finding(row, f"would be brought up to Stripe: {before}") if before else None
        await refunds.put_right(*which)
        after = await refunds.differences(*which)
        if after:
            return _finding(row, after, explained=False)
        return _finding(row, f"brought up to Stripe: {before}")

    async def _put_right(self, row: Row[Any], verdict: Verdict, payments: list[StripePayment]) -> Finding:
        if verdict.action is Action.APPLY:
            await self.purchasing.apply(row.tenant_id, row.id, payments[0].outcome)
        now = await self._status(row)
        if verdict.action is Action.DRIVE_ON or (now.status in OPEN and _age(row) > ACTION_EXPIRES_AFTER):
            await self.purchasing.finish(row.tenant_id, row.id)
            now = await self._status(row)
        if verdict.action is Action.DRIVE_ON and now.status in OPEN:
            return _finding(row, f"still {now.status}: Stripe did not say what became of it", explained=False)
        return _finding(now, _WORDS[PurchaseStatus(now.status)].format(code=now.failure_code, before=row.status))

    async def _status(self, row: Row[Any]) -> Row[Any]:
        async with self.database.transaction(Scope(row.tenant_id, ActorKind.WORKER), read_only=True) as tx:
            statement = _STATEMENT.where(CreditPurchase.tenant_id == row.tenant_id, CreditPurchase.id == row.id)
            return (await tx.execute(statement)).one()

    async def _stored(self, payment_intent_id: str | None) -> list[StripePayment]:
        found = await self.gateway.stored_payment(payment_intent_id) if payment_intent_id else None
        return [found] if found else []


_moving_refund = select(Refund.id).where(
    Refund.tenant_id == CreditPurchase.tenant_id,
    Refund.purchase_id == CreditPurchase.id,
    Refund.status.in_([status.value for status in UNFINISHED]),
)
_open_dispute = select(Dispute.id).where(
    Dispute.tenant_id == CreditPurchase.tenant_id,
    Dispute.purchase_id == CreditPurchase.id,
    Dispute.stripe_status.not_in(ENDED),
)
_money_moves = or_(_moving_refund.exists(), _open_dispute.exists())
_STATEMENT = select(
    CreditPurchase.tenant_id,
    CreditPurchase.id,
    CreditPurchase.status,
    CreditPurchase.stripe_payment_intent_id,
    CreditPurchase.payment_amount_cents,
    CreditPurchase.payment_currency,
    CreditPurchase.refunded_cents,
    _money_moves.label("money_moves"),
    CreditPurchase.failure_code,
    CreditPurchase.created_at,
)
_WORDS = {
    PurchaseStatus.COMPLETED: "credits given: the payment was taken (the purchase was {before})",
    PurchaseStatus.FAILED: "failed: {code}",
    PurchaseStatus.REQUIRES_ACTION: "waits for the buyer's bank",
    PurchaseStatus.PROCESSING: "waits for Stripe",
    PurchaseStatus.PENDING: "waits for Stripe",
    PurchaseStatus.REFUNDED: "refunded meanwhile",
    PurchaseStatus.PARTIALLY_REFUNDED: "refunded in part meanwhile",
}


def _by_tenant(listed: Sequence[StripePayment]) -> tuple[dict[UUID, dict[UUID, list[StripePayment]]], int]:
    """The payments by the tenant and the purchase that stand on them, and how many bear none."""
    found: dict[UUID, dict[UUID, list[StripePayment]]] = defaultdict(lambda: defaultdict(list))
    foreign = 0
    for payment in listed:
        subject = subject_of(dict(payment.metadata))
        if subject is None or subject.purchase_id is None:
            foreign += 1
        else:
            found[subject.tenant_id][subject.purchase_id].append(payment)
    return found, foreign


def _nobodys(tenant_id: UUID, payments: Payments, known: set[UUID]) -> list[Finding]:
    """Money that was taken for a purchase that is not here."""
    return [
        Finding(
            tenant_id,
            f"purchase {purchase_id}",
            payment.id,
            explained=False,
            what=f"{money_text(payment.received_cents, payment.currency)} were taken, and the portal has no such purchase",
        )
        for purchase_id, made in payments.items()
        if purchase_id not in known
        for payment in made
        if payment.paid
    ]


def _compare(row: Row[Any], payments: Sequence[StripePayment]) -> Verdict:
    ours = PurchaseSide(
        status=PurchaseStatus(row.status),
        payment_intent_id=row.stripe_payment_intent_id,
        amount_cents=row.payment_amount_cents,
        currency=row.payment_currency,
        age=_age(row),
    )
    return compare(ours, [_stripe_side(payment) for payment in payments])


def _stripe_side(payment: StripePayment) -> StripeSide:
    dead = isinstance(payment.outcome, Declined | Canceled)
    return StripeSide(
        payment_intent_id=payment.id,
        standing=Standing.PAID if payment.paid else Standing.DEAD if dead else Standing.OPEN,
        status=payment.status,
        amount_cents=payment.received_cents if payment.paid else payment.amount_cents,
        currency=payment.currency,
    )


def _age(row: Row[Any]) -> timedelta:
    age: timedelta = utc_now() - row.created_at
    return age


def _would(verdict: Verdict, payments: Sequence[StripePayment]) -> str:
    """What a run that may change something would do."""
    if verdict.action is Action.DRIVE_ON:
        return "would be given up, unless Stripe says otherwise then"
    standing = _stripe_side(payments[0]).standing
    return {
        Standing.PAID: "would get its credits: the payment was taken",
        Standing.DEAD: f"would fail: the payment is {payments[0].status}",
        Standing.OPEN: f"would be told that its payment is {payments[0].status}",
    }[standing]


def _finding(row: Row[Any], what: str, *, explained: bool = True) -> Finding:
    return Finding(row.tenant_id, f"purchase {row.id}", row.stripe_payment_intent_id, explained, what)
