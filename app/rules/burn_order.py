"""In which order credits are spent, and what a refund or a shortfall takes (rulings 6, 8 and 10)."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum


class Bucket(StrEnum):
    """Where a credit came from, by its name in `credit_transactions.source_type`."""

    INCLUDED = "included"
    BONUS = "bonus"
    PURCHASED = "purchased"


BURN_ORDER = (Bucket.INCLUDED, Bucket.BONUS, Bucket.PURCHASED)
ZERO = Decimal(0)


def burn(
    cost: Decimal, remaining: Mapping[Bucket, Decimal], *, included_last: bool = False
) -> tuple[dict[Bucket, Decimal], Decimal]:
    """Split a cost (credits) over the buckets in burn order; returns what each gives and what none could cover (the shortfall).

    `included_last`: of a late payer, whose included credits are on hold (ruling 24); what is consumed is taken all the same.
    """
    taken: dict[Bucket, Decimal] = {}
    order = BURN_ORDER if not included_last else (*BURN_ORDER[1:], BURN_ORDER[0])
    for bucket in order:
        share = min(cost, remaining[bucket])
        if share > 0:
            taken[bucket] = share
            cost -= share
    return taken, cost
