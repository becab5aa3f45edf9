"""The catalogue: tiers, add-ons, price bands and model prices, as sections 43.2 and 43.3 of the specification list them.

Plain data and nothing else. A migration seeds the tables from it, and a test holds both against the specification (ruling 27).
Money is in cents of `currency`, credits are credits; None means: no limit, or ask sales where it stands for a price. The features of
a tier are written as what changes from the tier below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

TierCode = Literal["FREE", "INDIVIDUAL", "FAMILY", "TEAM", "BUSINESS", "ENTERPRISE", "ENTERPRISE_PLUS"]


@dataclass(frozen=True, slots=True)
class Pricing:
    monthly_cents: int | None
    annual_cents: int | None
    per_user: bool = False
    min_users: int | None = None
    max_users: int | None = None
    currency: str = "USD"
    contact_sales: bool = False


@dataclass(frozen=True, slots=True)
class RateLimits:
    requests_per_minute: int
    tokens_per_minute: int
    concurrent_requests: int | None  # None: unlimited (the specification's -1, ruling 26)


@dataclass(frozen=True, slots=True)
class Features:
    """Every feature flag of section 43.2; a flag that a tier does not name is off."""

    model_access: Literal["limited", "full", "full_plus_beta", "all"]
    max_models_per_month: int | None
    max_requests_per_day: int | None
    max_tokens_per_request: int
    export_formats: tuple[str, ...]
    support_level: Literal["community", "email", "priority_email", "priority", "dedicated"]
    data_retention: str
    priority_queue: bool = False
    api_access: bool = False
    watermarked_outputs: bool = False
    conversation_history: bool = False
    custom_instructions: bool = False
    shared_credit_pool: bool = False
    team_workspaces: bool = False
    shared_conversations: bool = False
    team_admin_dashboard: bool = False
    usage_analytics: bool = False
    role_based_access: bool = False
    invite_management: bool = False
    sso_integration: bool = False
    scim_provisioning: bool = False
    audit_logs: bool = False
    data_export: bool = False
    custom_branding: bool = False
    dedicated_account_manager: bool = False
    api_rate_limit_customization: bool = False
    webhooks: bool = False
    ip_whitelisting: bool = False
    parental_controls: bool = False
    family_admin_dashboard: bool = False
    per_member_usage_limits: bool = False
    sla_guarantee: bool = False
    uptime_guarantee: str | None = None
    custom_model_fine_tuning: bool = False
    dedicated_infrastructure: bool = False
    multi_region_deployment: bool = False
    on_premise_deployment: bool = False

    def as_json(self) -> dict[str, object]:
        """The flags by the names of the specification: `max_models_per_month` is `maxModelsPerMonth`."""
        values = {_camel(field.name): getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True, slots=True)
class Tier:
    id: TierCode
    display_name: str
    description: str
    localization_key: str
    pricing: Pricing
    included_credits_per_user: Decimal  # a month, times the billed quantity (ruling 7)
    rate_limits: RateLimits
    features: Features
    available_add_ons: tuple[str, ...]
    sort_order: int
    badge: str | None = None
    is_public: bool = True


@dataclass(frozen=True, slots=True)
class AddOn:
    id: str
    display_name: str
    description: str
    monthly_cents: int
    annual_cents: int | None
    per_user: bool
    available_for: tuple[TierCode, ...]
    included_in: tuple[TierCode, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceBand:
    """From `min_credits` on: a credit costs `unit_price_cents` less `discount_rate`, and `bonus_rate` of the credits come on top."""

    min_credits: Decimal
    discount_rate: Decimal
    bonus_rate: Decimal
    unit_price_cents: int = 1000


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """The text rates times `multiplier`; cached input tokens cost `cached_input_rate` of the input rate (ruling 3)."""

    model_id: str
    provider_id: str
    display_name: str
    multiplier: Decimal = Decimal("1.0")
    cached_input_rate: Decimal = Decimal("1.0")


_FREE = Tier(
    id="FREE",
    display_name="Free Trial",
    description="Try RADIANT with limited features",
    localization_key="billing.tiers.free",
    pricing=Pricing(monthly_cents=0, annual_cents=0),
    included_credits_per_user=Decimal("0.5"),
    rate_limits=RateLimits(requests_per_minute=10, tokens_per_minute=20_000, concurrent_requests=1),
    features=Features(
        model_access="limited",
        max_models_per_month=5,
        max_requests_per_day=50,
        max_tokens_per_request=4_000,
        export_formats=("txt",),
        support_level="community",
        data_retention="7_days",
        watermarked_outputs=True,
    ),
    available_add_ons=(),
    sort_order=0,
)

_INDIVIDUAL = Tier(
    id="INDIVIDUAL",
    display_name="Individual",
    description="Full-featured personal plan",
    localization_key="billing.tiers.individual",
    pricing=Pricing(monthly_cents=29_00, annual_cents=290_00),
    included_credits_per_user=Decimal(3),
    rate_limits=RateLimits(requests_per_minute=60, tokens_per_minute=100_000, concurrent_requests=5),
    features=Features(
        model_access="full",
        max_models_per_month=None,
        max_requests_per_day=1_000,
        max_tokens_per_request=128_000,
        export_formats=("txt", "md", "pdf", "docx"),
        support_level="email",
        data_retention="90_days",
        priority_queue=True,
        api_access=True,
        conversation_history=True,
        custom_instructions=True,
    ),
    available_add_ons=("API_POWER_PACK",),
    sort_order=1,
)

_FAMILY = Tier(
    id="FAMILY",
    display_name="Family",
    description="Share AI across your household",
    localization_key="billing.tiers.family",
    pricing=Pricing(monthly_cents=49_00, annual_cents=490_00, max_users=5),
    included_credits_per_user=Decimal(6),
    rate_limits=RateLimits(requests_per_minute=120, tokens_per_minute=200_000, concurrent_requests=10),
    features=replace(
        _INDIVIDUAL.features,
        max_requests_per_day=2_000,
        shared_credit_pool=True,
        invite_management=True,
        parental_controls=True,
        family_admin_dashboard=True,
        per_member_usage_limits=True,
    ),
    available_add_ons=("API_POWER_PACK",),
    sort_order=2,
)

_TEAM = Tier(
    id="TEAM",
    display_name="Team",
    description="Collaborate with your small team",
    localization_key="billing.tiers.team",
    pricing=Pricing(monthly_cents=25_00, annual_cents=250_00, per_user=True, min_users=2, max_users=25),
    included_credits_per_user=Decimal(3),
    rate_limits=RateLimits(requests_per_minute=300, tokens_per_minute=500_000, concurrent_requests=20),
    features=Features(
        model_access="full",
        max_models_per_month=None,
        max_requests_per_day=None,
        max_tokens_per_request=200_000,
        export_formats=("txt", "md", "pdf", "docx", "html"),
        support_level="priority_email",
        data_retention="1_year",
        priority_queue=True,
        api_access=True,
        conversation_history=True,
        custom_instructions=True,
        shared_credit_pool=True,
        team_workspaces=True,
        shared_conversations=True,
        team_admin_dashboard=True,
        usage_analytics=True,
        role_based_access=True,
        invite_management=True,
    ),
    available_add_ons=("COMPLIANCE_ADDON", "PRIORITY_SUPPORT"),
    sort_order=3,
    badge="Most Popular",
)

_BUSINESS = Tier(
    id="BUSINESS",
    display_name="Business",
    description="Enterprise features for growing companies",
    localization_key="billing.tiers.business",
    pricing=Pricing(monthly_cents=45_00, annual_cents=450_00, per_user=True, min_users=5, max_users=150),
    included_credits_per_user=Decimal(5),
    rate_limits=RateLimits(requests_per_minute=1_000, tokens_per_minute=2_000_000, concurrent_requests=50),
    features=replace(
        _TEAM.features,
        model_access="full_plus_beta",
        max_tokens_per_request=500_000,
        export_formats=("txt", "md", "pdf", "docx", "html", "json"),
        support_level="priority",
        data_retention="2_years",
        sso_integration=True,
        scim_provisioning=True,
        audit_logs=True,
        data_export=True,
        custom_branding=True,
        api_rate_limit_customization=True,
        webhooks=True,
        ip_whitelisting=True,
    ),
    available_add_ons=("COMPLIANCE_ADDON", "PRIORITY_SUPPORT"),
    sort_order=4,
)

_ENTERPRISE = Tier(
    id="ENTERPRISE",
    display_name="Enterprise",
    description="Full-scale enterprise deployment",
    localization_key="billing.tiers.enterprise",
    pricing=Pricing(monthly_cents=None, annual_cents=None, per_user=True, min_users=50, contact_sales=True),
    included_credits_per_user=Decimal(10),
    rate_limits=RateLimits(requests_per_minute=5_000, tokens_per_minute=10_000_000, concurrent_requests=200),
    features=replace(
        _BUSINESS.features,
        model_access="all",
        max_tokens_per_request=1_000_000,
        export_formats=("txt", "md", "pdf", "docx", "html", "json", "csv"),
        support_level="dedicated",
        data_retention="custom",
        dedicated_account_manager=True,
        sla_guarantee=True,
        uptime_guarantee="99.9%",
        custom_model_fine_tuning=True,
        multi_region_deployment=True,
    ),
    available_add_ons=("COMPLIANCE_ADDON",),
    sort_order=5,
)

_ENTERPRISE_PLUS = Tier(
    id="ENTERPRISE_PLUS",
    display_name="Enterprise Plus",
    description="Maximum security and compliance for regulated industries",
    localization_key="billing.tiers.enterprise_plus",
    pricing=Pricing(monthly_cents=None, annual_cents=None, per_user=True, min_users=100, contact_sales=True),
    included_credits_per_user=Decimal(15),
    rate_limits=RateLimits(requests_per_minute=20_000, tokens_per_minute=50_000_000, concurrent_requests=None),
    features=replace(
        _ENTERPRISE.features,
        max_tokens_per_request=2_000_000,
        export_formats=("txt", "md", "pdf", "docx", "html", "json", "csv", "xml"),
        uptime_guarantee="99.99%",
        dedicated_infrastructure=True,
        on_premise_deployment=True,
    ),
    available_add_ons=(),  # compliance is part of it
    sort_order=6,
    badge="Full Compliance Included",
)

TIERS: Mapping[str, Tier] = MappingProxyType(
    {tier.id: tier for tier in (_FREE, _INDIVIDUAL, _FAMILY, _TEAM, _BUSINESS, _ENTERPRISE, _ENTERPRISE_PLUS)}
)

ADD_ONS: Mapping[str, AddOn] = MappingProxyType(
    {
        add_on.id: add_on
        for add_on in (
            AddOn(
                id="COMPLIANCE_ADDON",
                display_name="Compliance",
                description="HIPAA, SOC 2, GDPR and CCPA for teams that must prove it",
                monthly_cents=25_00,
                annual_cents=None,
                per_user=True,
                available_for=("TEAM", "BUSINESS", "ENTERPRISE"),
                included_in=("ENTERPRISE_PLUS",),
                features=(
                    "hipaaWithBaa",
                    "soc2TypeII",
                    "gdprAndCcpa",
                    "customerManagedEncryptionKeys",
                    "enhancedAuditLogging",
                    "dataResidency",
                ),
            ),
            # The specification names these two without a price: an operator prices them, these are defaults (ruling 25).
            AddOn(
                id="API_POWER_PACK",
                display_name="API Power Pack",
                description="More room for programs that use the API",
                monthly_cents=10_00,
                annual_cents=None,
                per_user=False,
                available_for=("INDIVIDUAL", "FAMILY"),
            ),
            AddOn(
                id="PRIORITY_SUPPORT",
                display_name="Priority Support",
                description="Answers ahead of the queue",
                monthly_cents=15_00,
                annual_cents=None,
                per_user=True,
                available_for=("TEAM", "BUSINESS"),
            ),
        )
    }
)

PRICE_BANDS: tuple[PriceBand, ...] = (  # section 43.3, volumeDiscounts; ascending
    PriceBand(min_credits=Decimal(1), discount_rate=Decimal(0), bonus_rate=Decimal(0)),
    PriceBand(min_credits=Decimal(5), discount_rate=Decimal(0), bonus_rate=Decimal(0)),
    PriceBand(min_credits=Decimal(10), discount_rate=Decimal("0.05"), bonus_rate=Decimal("0.05")),
    PriceBand(min_credits=Decimal(25), discount_rate=Decimal("0.10"), bonus_rate=Decimal("0.10")),
    PriceBand(min_credits=Decimal(50), discount_rate=Decimal("0.15"), bonus_rate=Decimal("0.15")),
    PriceBand(min_credits=Decimal(100), discount_rate=Decimal("0.20"), bonus_rate=Decimal("0.20")),
)

MODEL_PRICES: tuple[ModelPrice, ...] = (  # an operator prices models; the specification's multiplier is 1.0
    ModelPrice("claude-opus-4-1", "anthropic", "Claude Opus 4.1"),
    ModelPrice("claude-sonnet-4-5", "anthropic", "Claude Sonnet 4.5"),
    ModelPrice("claude-haiku-4-5", "anthropic", "Claude Haiku 4.5"),
    ModelPrice("gpt-5", "openai", "GPT-5"),
    ModelPrice("gpt-5-mini", "openai", "GPT-5 mini"),
    ModelPrice("gpt-4.1", "openai", "GPT-4.1"),
    ModelPrice("gpt-image-1", "openai", "GPT Image 1"),
    ModelPrice("whisper-1", "openai", "Whisper"),
    ModelPrice("tts-1", "openai", "Text to Speech 1"),
    ModelPrice("gemini-2.5-pro", "google", "Gemini 2.5 Pro"),
    ModelPrice("gemini-2.5-flash", "google", "Gemini 2.5 Flash"),
    ModelPrice("llama-3.3-70b", "meta", "Llama 3.3 70B"),
    ModelPrice("mistral-large", "mistral", "Mistral Large"),
    ModelPrice("deepseek-v3", "deepseek", "DeepSeek V3"),
)
