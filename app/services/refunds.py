"""Giving money back: row and idempotency key committed, then Stripe, then the outcome applied exactly once (rulings 11 and 22).

A refund is an operator's (command line, or an API key with refunds:write), or a buyer's request that an operator decides. As with
purchases, any step may be a process' last: the job FINISH_REFUND takes up what was left open, webhooks apply the same outcome by the same
function.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, insert, select, update

from app.auth.actor import Actor, Principal, acting, utc_now
from app.auth.api_keys import ApiScope
from app.payments.gateway import Gateway
from app.payments.outcomes import GatewayError, GatewayUnavailable, IdempotencyMismatch, Unknown
from app.payments.refunds import StripeRefund
from app.rules.errors import Forbidden, NotFound, RefundNotPossible
from app.rules.permissions import Permission
from app.rules.purchases import CREDITED, FIRST_FOLLOW_UP, KEY_LIVES, PurchaseStatus, follow_up_delay
from app.rules.refunds import UNFINISHED, RefundOrigin, RefundStatus, advice, check_amount, check_reason
from app.services import disputes, idempotency, refund_outcomes, reversals
from app.services.purchases import Purchasing
from app.services.queue import Job, enqueue
from app.services.refund_notices import Notice, announce
from app.services.refund_outcomes import Refused
from app.tenancy import ActorKind, Database, Scope, Transaction
from models.purchases import CreditPurchase
from models.refunds import Refund
