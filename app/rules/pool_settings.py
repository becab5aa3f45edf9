"""The settings of a pool that stand alone (section 43.3, CreditPoolSettings): what they hold, and what a change may be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.rules.errors import Invalid, TierNotEligible
from app.rules.permissions import Role
from app.rules.spending_limits import check_amount

MAX_RECIPIENTS = 20
MAX_MODELS = 200
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class SummaryFrequency(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class ContentFiltering(StrEnum):
    STRICT = "strict"
    MODERATE = "moderate"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Notifications:
    """`low_balance_threshold` in credits; recipients are e-mail addresses."""

    low_balance_threshold: Decimal = Decimal(1)
    recipients: tuple[str, ...] = ()
    summary: SummaryFrequency = SummaryFrequency.WEEKLY
    unusual_usage_alerts: bool = True


@dataclass(frozen=True, slots=True)
class AccessControl:
    """`approval_required_above` in credits a request, None: never; `allowed_models` None: all that are not blocked."""

    approval_required_above: Decimal | None = None
    blocked_models: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """`underage_members` are user ids of restricted members (ruling 16)."""

    parental_controls: bool = True
    content_filtering: ContentFiltering = ContentFiltering.MODERATE
    underage_members: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """All of them; `family` only in a family's pool."""

    notifications: Notifications
    access_control: AccessControl
    family: Family | None

    @classmethod
    def load(cls, stored: Mapping[str, Any], pool_type: str) -> "PoolSettings":
        """Read `credit_pools.settings` (the specification's key names); what is missing has its default."""
        mail, access, family = (stored.get(key) or {} for key in ("notifications", "accessControl", "familySettings"))
        allowed, above = access.get("allowedModels"), access.get("requireApprovalAbove")
        return cls(
            notifications=Notifications(
                low_balance_threshold=Decimal(mail.get("lowBalanceThreshold", "1")),
                recipients=tuple(mail.get("lowBalanceRecipients", ())),
                summary=SummaryFrequency(mail.get("usageSummaryFrequency", "weekly")),
                unusual_usage_alerts=mail.get("unusualUsageAlerts", True),
            ),
            access_control=AccessControl(
                approval_required_above=None if above is None else Decimal(above),
                blocked_models=tuple(access.get("blockedModels") or ()),
                allowed_models=None if allowed is None else tuple(allowed),
            ),
            family=Family(
                parental_controls=family.get("parentalControlsEnabled", True),
                content_filtering=ContentFiltering(family.get("contentFiltering", "moderate")),
                underage_members=tuple(UUID(user) for user in family.get("underageMembers", ())),
            )
            if pool_type == "family"
            else None,
        )

    def dump(self) -> dict[str, Any]:
        """The same settings as stored: JSON with the specification's key names, amounts as strings."""
        mail, access, family = self.notifications, self.access_control, self.family
        above = access.approval_required_above
        stored: dict[str, Any] = {
            "notifications": {
                "lowBalanceThreshold": f"{mail.low_balance_threshold:f}",
                "lowBalanceRecipients": list(mail.recipients),
                "usageSummaryFrequency": mail.summary.value,
                "unusualUsageAlerts": mail.unusual_usage_alerts,
            },
            "accessControl": {
                "requireApprovalAbove": None if above is None else f"{above:f}",
                "blockedModels": list(access.blocked_models),
                "allowedModels": None if access.allowed_models is None else list(access.allowed_models),
            },
        }
        if family is not None:
            stored["familySettings"] = {
                "parentalControlsEnabled": family.parental_controls,
                "contentFiltering": family.content_filtering.value,
                "underageMembers": [str(user) for user in family.underage_members],
            }
        return stored


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What to change, group by group: names of this module's fields with their new values. An absent name stays as it is."""

    notifications: Mapping[str, Any]
    access_control: Mapping[str, Any]
    family: Mapping[str, Any]
    auto_purchase: Mapping[str, Any] = field(
        default_factory=dict
    )  # of app/rules/auto_purchase.py:Plan, stored in a table of its own


def apply(current: PoolSettings, change: SettingsChange, roles: Mapping[UUID, Role]) -> PoolSettings:
    """The settings after a change, checked; `roles` are the pool's members by user id. Raises Invalid or TierNotEligible."""
    if change.family and current.family is None:
        raise TierNotEligible(
            "Family settings exist in a family's pool only; this pool is of another kind.", path=("patch", "family")
        )
    wanted = PoolSettings(
        notifications=replace(current.notifications, **change.notifications),
        access_control=replace(current.access_control, **change.access_control),
        family=replace(current.family, **change.family) if current.family is not None else None,
    )
    _check_notifications(wanted.notifications)
    _check_access(wanted.access_control)
    # A member who has left or grown up meanwhile must not stand in the way of a change to something else.
    if wanted.family is not None and "underage_members" in change.family:
        _check_family(wanted.family, roles)
    return wanted


def _check_notifications(mail: Notifications) -> None:
    check_amount(mail.low_balance_threshold, path=("patch", "notifications", "lowBalanceThreshold"))
    check_recipients(mail.recipients, path=("patch", "notifications", "recipients"))


def check_recipients(recipients: Sequence[str], *, path: tuple[str, ...]) -> None:
    """At most twenty e-mail addresses. Raises Invalid."""
    if len(recipients) > MAX_RECIPIENTS:
        raise Invalid(
            f"At most {MAX_RECIPIENTS} recipients; you sent {len(recipients)}.", path=path, reason="recipients"
        )
    for address in recipients:
        if len(address) > 254 or not _EMAIL.fullmatch(address):
            raise Invalid(f"{address!r} is not an e-mail address.", path=path, reason="email")


def _check_access(access: AccessControl) -> None:
    if access.approval_required_above is not None:
        check_amount(access.approval_required_above, path=("patch", "accessControl", "approvalRequiredAbove"))
    for name, models in (("blockedModels", access.blocked_models), ("allowedModels", access.allowed_models or ())):
        path = ("patch", "accessControl", name)
        if len(models) > MAX_MODELS:
            raise Invalid(f"At most {MAX_MODELS} models in {name}; you sent {len(models)}.", path=path, reason="models")
        wrong = next((model for model in models if not _MODEL.fullmatch(model)), None)
        if wrong is not None:
            raise Invalid(
                f"{wrong!r} can't be a model id: letters, digits and . _ : / @ -, at most 100.",
                path=path,
                reason="model",
            )
    both = sorted(set(access.blocked_models) & set(access.allowed_models or ()))
    if both:
        raise Invalid(
            f"A model can't be allowed and blocked at once: {', '.join(both)}.",
            path=("patch", "accessControl", "allowedModels"),
            reason="model_conflict",
        )


def _check_family(family: Family, roles: Mapping[UUID, Role]) -> None:
    path = ("patch", "family", "underageMemberIds")
    for user in family.underage_members:
        if user not in roles:
            raise Invalid("An underage member must be a member of this pool.", path=path, reason="underage_unknown")
        if roles[user] is not Role.RESTRICTED:
            raise Invalid(
                f"Underage members have the role restricted; this one is {roles[user].value}. Change the role first.",
                path=path,
                reason="underage_role",
            )
