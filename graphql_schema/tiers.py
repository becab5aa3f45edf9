"""Tiers, add-ons and price bands: the catalogue, the same for everybody (sections 43.2 and 43.3)."""

import re
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

import strawberry

from app.rules.pricing import Band
from app.rules.tiers import annual_savings
from app.services.catalogue import AddOn as StoredAddOn
from app.services.catalogue import Catalogue
from app.services.catalogue import Tier as StoredTier
from graphql_schema.money import Money, money, money_of
from graphql_schema.node import Node, to_id
from graphql_schema.selections import Lasting


@strawberry.enum
class TierCode(Enum):
    FREE = "FREE"
    INDIVIDUAL = "INDIVIDUAL"
    FAMILY = "FAMILY"
    TEAM = "TEAM"
    BUSINESS = "BUSINESS"
    ENTERPRISE = "ENTERPRISE"
    ENTERPRISE_PLUS = "ENTERPRISE_PLUS"


@strawberry.type(description="What a tier costs; null prices: ask sales.")
class TierPricing:
    monthly: Money | None
    annual: Money | None
    annual_savings: Money | None
    per_user: bool
    min_users: int | None
    max_users: int | None
    contact_sales: bool


@strawberry.type
class RateLimits:
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_requests: int | None = strawberry.field(description="Null is unlimited.")


@strawberry.type(description="Every feature flag of section 43.2; a null limit is unlimited.")
class TierFeatures:
    model_access: str
    max_models_per_month: int | None
    max_requests_per_day: int | None
    max_tokens_per_request: int
    export_formats: list[str]
    support_level: str
    data_retention: str
    uptime_guarantee: str | None
    priority_queue: bool
    api_access: bool
    watermarked_outputs: bool
    conversation_history: bool
    custom_instructions: bool
    shared_credit_pool: bool
    team_workspaces: bool
    shared_conversations: bool
    team_admin_dashboard: bool
    usage_analytics: bool
    role_based_access: bool
    invite_management: bool
    sso_integration: bool
    scim_provisioning: bool
    audit_logs: bool
    data_export: bool
    custom_branding: bool
    dedicated_account_manager: bool
    api_rate_limit_customization: bool
    webhooks: bool
    ip_whitelisting: bool
    parental_controls: bool
    family_admin_dashboard: bool
    per_member_usage_limits: bool
    sla_guarantee: bool
    custom_model_fine_tuning: bool
    dedicated_infrastructure: bool
    multi_region_deployment: bool
    on_premise_deployment: bool


@strawberry.type
class AddOn(Node):
    code: str
    display_name: str
    description: str | None
    monthly: Money
    annual: Money | None
    per_user: bool


@strawberry.type
class TierAddOn:
    add_on: AddOn
    included: bool = strawberry.field(description="Part of the tier; otherwise it can be added for its price.")


@strawberry.type
class Tier(Node):
    code: TierCode
    display_name: str
    description: str
    localization_key: str
    badge: str | None
    pricing: TierPricing
    included_credits_per_user: Decimal
    rate_limits: RateLimits
    features: TierFeatures
    add_ons: list[TierAddOn]
    sort_order: int


@strawberry.type(
    description="From `minCredits` on: the share taken off the price and the share of credits given on top."
)
class CreditBand:
    min_credits: Decimal
    discount_rate: Decimal
    bonus_rate: Decimal
    unit_price: Money


@lru_cache(maxsize=2)  # the current reading, and one that an operation under way still has
def tiers_of(catalogue: Catalogue) -> dict[str, Tier]:
    """All tiers as the API shows them, by code, those no longer on offer too: made once for each reading."""
    return {tier.id: _as_tier(tier, catalogue) for tier in catalogue.tiers}


@lru_cache(maxsize=2)
def tier_list(catalogue: Catalogue) -> Lasting:
    """Those that are offered, as the query `tiers` gives them."""
    tiers = tiers_of(catalogue)
    return Lasting(tiers[one.id] for one in catalogue.offered)


def _as_tier(tier: StoredTier, catalogue: Catalogue) -> Tier:
    monthly, annual = tier.price_monthly, tier.price_annual
    savings = annual_savings(monthly, annual)
    return Tier(
        id=to_id("Tier", tier.id),
        code=TierCode(tier.id),
        display_name=tier.display_name,
        description=tier.description,
        localization_key=tier.localization_key,
        badge=tier.badge,
        pricing=TierPricing(
            monthly=money_of(monthly, tier.currency),
            annual=money_of(annual, tier.currency),
            annual_savings=money_of(Decimal(savings) if savings else None, tier.currency),
            per_user=tier.price_per_user,
            min_users=tier.min_users,
            max_users=tier.max_users,
            contact_sales=tier.contact_sales,
        ),
        included_credits_per_user=tier.included_credits_per_user,
        rate_limits=RateLimits(
            requests_per_minute=tier.requests_per_minute,
            tokens_per_minute=tier.tokens_per_minute,
            concurrent_requests=tier.concurrent_requests,
        ),
        features=_features(tier.features),
        add_ons=[
            TierAddOn(add_on=as_add_on(add_on), included=tier.id in add_on.included_in_tiers)
            for add_on in catalogue.add_ons
            if add_on.id in tier.available_add_ons or tier.id in add_on.included_in_tiers
        ],
        sort_order=tier.sort_order,
    )


def as_add_on(add_on: StoredAddOn) -> AddOn:
    """A stored add-on as the API shows it."""
    annual = add_on.price_annual_cents
    return AddOn(
        id=to_id("AddOn", add_on.id),
        code=add_on.id,
        display_name=add_on.display_name,
        description=add_on.description,
        monthly=money(add_on.price_monthly_cents),
        annual=None if annual is None else money(annual),
        per_user=add_on.price_per_user,
    )


def as_band(band: Band) -> CreditBand:
    """A price band as the API shows it."""
    return CreditBand(
        min_credits=band.min_credits,
        discount_rate=band.discount_rate,
        bonus_rate=band.bonus_rate,
        unit_price=money(band.unit_price_cents),
    )


def _features(stored: dict[str, Any]) -> TierFeatures:
    """The flags out of JSON, from the specification's names (maxModelsPerMonth) to the field's."""
    return TierFeatures(**{re.sub(r"([A-Z])", r"_\1", name).lower(): value for name, value in stored.items()})
