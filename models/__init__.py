"""The tables, one file per noun. `tenant_tables()` lists those behind the wall."""

from sqlalchemy import Table

from models.api_keys import ApiKey
from models.approvals import ApprovalRequest
from models.audit import AuditEvent
from models.auto_purchase import AutoPurchaseSettings
from models.base import Base
from models.billing_events import BillingEvent
from models.catalogue import CreditPriceBand, CreditPriceBandChange, ModelPrice, SubscriptionAddOn, SubscriptionTier
from models.disputes import Dispute
from models.idempotency import IdempotencyKey
from models.invitations import Invitation
from models.members import CreditPoolMember
from models.notifications import Notification
from models.pools import CreditPool
from models.purchases import CreditPurchase
from models.refunds import Refund
from models.reservations import CreditReservation
from models.reversals import CreditReversal
from models.subscriptions import Subscription
from models.tenants import Organization, Tenant, User
from models.transactions import CreditTransaction
from models.usage import CreditUsage, UsageRollup
from models.webhook_events import WebhookEvent

__all__ = [
    "ApiKey",
    "ApprovalRequest",
    "AuditEvent",
    "AutoPurchaseSettings",
    "Base",
    "BillingEvent",
    "CreditPool",
    "CreditPoolMember",
    "CreditPriceBand",
    "CreditPriceBandChange",
    "CreditPurchase",
    "CreditReservation",
    "CreditReversal",
    "CreditTransaction",
    "CreditUsage",
    "Dispute",
    "IdempotencyKey",
    "Invitation",
    "ModelPrice",
    "Notification",
    "Organization",
    "Refund",
    "Subscription",
    "SubscriptionAddOn",
    "SubscriptionTier",
    "Tenant",
    "UsageRollup",
    "User",
    "WebhookEvent",
    "tenant_tables",
]


def tenant_tables() -> list[Table]:
    """Every table whose rows belong to one tenant, parents before children."""
    return [table for table in Base.metadata.sorted_tables if table.info.get("tenant")]
