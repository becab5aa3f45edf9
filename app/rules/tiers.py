"""Rules about tiers: which there are, what is an upgrade, what a year saves, what is included (sections 43.2, rulings 6 and 7)."""

from decimal import Decimal
from typing import Literal, TypeVar

from app.rules.catalogue import TIERS, Tier, TierCode

Amount = TypeVar("Amount", int, Decimal)


def get_tier(code: TierCode) -> Tier:
    """The tier of this code; KeyError for any other word (section 43.2, getTier)."""
    return TIERS[code]


def can_upgrade(from_tier: TierCode, to_tier: TierCode) -> bool:
    """Whether the second tier is above the first (section 43.2, canUpgrade)."""
    return TIERS[to_tier].sort_order > TIERS[from_tier].sort_order


def annual_savings(monthly: Amount | None, annual: Amount | None) -> Amount | Literal[0]:
    """What a year costs less by the annual price than by twelve months, in the prices' unit; 0 without both (section 43.2)."""
    return monthly * 12 - annual if monthly and annual else 0


def billed_quantity(tier: Tier, seat_count: int) -> int:
    """How many times the price and the included credits count: the seats of a tier priced per user, else 1 (ruling 7)."""
    return seat_count if tier.pricing.per_user else 1


def included_credits(tier: Tier, seat_count: int) -> Decimal:
    """Credits that one month brings, on monthly and annual plans alike (rulings 6 and 7)."""
    return tier.included_credits_per_user * billed_quantity(tier, seat_count)
