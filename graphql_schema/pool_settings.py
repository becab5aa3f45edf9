"""The settings of a pool (section 43.3)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from app.rules.errors import Invalid
from app.rules.pool_settings import ContentFiltering, SettingsChange, SummaryFrequency
from graphql_schema.auto_purchase import AutoPurchaseInput, AutoPurchaseSettings, as_plan_change
from graphql_schema.context import Info
from graphql_schema.members import PoolMember

strawberry.enum(SummaryFrequency, name="SummaryFrequency")
strawberry.enum(ContentFiltering, name="ContentFiltering")


@strawberry.type
class NotificationSettings:
    low_balance_threshold: Decimal
    recipients: list[str]
    summary: SummaryFrequency
    unusual_usage_alerts: bool


@strawberry.type(description="`allowedModels` null: all that are not blocked.")
class AccessControl:
    approval_required_above: Decimal | None
    blocked_models: list[str]
    allowed_models: list[str] | None


@strawberry.type
class FamilySettings:
    parental_controls: bool
    content_filtering: ContentFiltering
    pool_key: strawberry.Private[UUID]
    underage_users: strawberry.Private[tuple[UUID, ...]]

    @strawberry.field
    async def underage_members(self, info: Info) -> list[PoolMember]:
        load = info.context.loaders.member_by_pool_user.load_many
        found = await load([(self.pool_key, user) for user in self.underage_users])
        return [member for member in found if member is not None]


@strawberry.type(name="PoolSettings")
class PoolSettingsView:
    notifications: NotificationSettings
    access_control: AccessControl
    family: FamilySettings | None
    pool_key: strawberry.Private[UUID]

    @strawberry.field
    async def auto_purchase(self, info: Info) -> AutoPurchaseSettings:
        return await info.context.loaders.auto_purchase_by_pool.load(self.pool_key)


@strawberry.input(description="An absent field stays as it is.")
class NotificationsInput:
    low_balance_threshold: Decimal | None = strawberry.UNSET
    recipients: list[str] | None = strawberry.UNSET
    summary: SummaryFrequency | None = strawberry.UNSET
    unusual_usage_alerts: bool | None = strawberry.UNSET


@strawberry.input(description="An absent field stays as it is; null takes a limit away.")
class AccessControlInput:
    approval_required_above: Decimal | None = strawberry.UNSET
    blocked_models: list[str] | None = strawberry.UNSET
    allowed_models: list[str] | None = strawberry.UNSET


@strawberry.input(description="An absent field stays as it is.")
class FamilyInput:
    parental_controls: bool | None = strawberry.UNSET
    content_filtering: ContentFiltering | None = strawberry.UNSET
    underage_member_ids: list[strawberry.ID] | None = strawberry.UNSET


@strawberry.input
class SettingsPatch:
    auto_purchase: AutoPurchaseInput | None = strawberry.UNSET
    notifications: NotificationsInput | None = strawberry.UNSET
    access_control: AccessControlInput | None = strawberry.UNSET
    family: FamilyInput | None = strawberry.UNSET


_NULLABLE = {"approval_required_above", "allowed_models"}


def as_change(patch: SettingsPatch, underage_users: tuple[UUID, ...]) -> SettingsChange:
    """The fields that a patch names, with their values. Raises Invalid where null means nothing."""
    family = _given("family", patch.family)
    if family.pop("underage_member_ids", None) is not None:
        family["underage_members"] = underage_users
    return SettingsChange(
        notifications=_given("notifications", patch.notifications),
        access_control=_given("accessControl", patch.access_control),
        family=family,
        auto_purchase=as_plan_change(patch.auto_purchase or None),
    )


def _given(group: str, values: Any) -> dict[str, Any]:
    if not values:
        return {}
    given = {name: value for name, value in vars(values).items() if value is not strawberry.UNSET}
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            camel = "".join(part.title() if i else part for i, part in enumerate(name.split("_")))
            raise Invalid(
                f"{camel} can't be null: leave it out to keep it as it is.", path=("patch", group, camel), reason="null"
            )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
