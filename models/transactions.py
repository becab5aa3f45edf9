"""The ledger: append-only by grant, numbered per pool without gaps (section 43.4, ruling 9)."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Cents,
    Code,
    CreatedAt,
    Credits,
    Json,
    Name,
    Prose,
    StripeId,
    TenantOwned,
    not_negative,
    one_of,
    reference,
    spending_table,
)


class CreditTransaction(TenantOwned, Base):
    """One entry of one bucket. `balance_after` (credits) is the pool's previous entry's plus `amount`: all buckets together."""

    __tablename__ = "credit_transactions"
    __table_args__ = spending_table(
        one_of(
            "transaction_type",
            "purchase",
            "subscription_grant",
            "bonus_grant",
            "consumption",
            "refund",
            "adjustment",
            "transfer_in",
            "transfer_out",
            "expiration",
        ),
        one_of("source_type", "included", "purchased", "bonus"),
        CheckConstraint("amount <> 0 AND amount <> 'NaN'", name="amount"),
        CheckConstraint(
            "CASE WHEN transaction_type IN ('purchase', 'subscription_grant', 'bonus_grant', 'transfer_in') THEN amount > 0 "
            "WHEN transaction_type IN ('consumption', 'transfer_out', 'expiration') THEN amount < 0 ELSE true END",
            name="amount_sign",
        ),
        *not_negative("balance_after"),
        CheckConstraint("sequence > 0", name="sequence"),
        reference("pool_id", "credit_pools"),
        reference("user_id", "users"),
        UniqueConstraint("tenant_id", "pool_id", "sequence", name="uq_credit_transactions_sequence"),
        Index("idx_credit_transactions_user", "tenant_id", "pool_id", "user_id", "sequence"),
        Index("idx_credit_transactions_type", "tenant_id", "pool_id", "transaction_type", "sequence"),
        Index("idx_credit_transactions_created", "tenant_id", "pool_id", "created_at"),
    )

    pool_id: Mapped[UUID]
    sequence: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[UUID | None]
    transaction_type: Mapped[Code]
    amount: Mapped[Credits]
    balance_after: Mapped[Credits]
    source_type: Mapped[Code]  # the bucket that the amount enters or leaves
    source_id: Mapped[Name | None]
    model_id: Mapped[Name | None]
    request_id: Mapped[UUID | None]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    payment_intent_id: Mapped[StripeId | None]
    payment_amount_cents: Mapped[Cents | None]
    payment_currency: Mapped[Code | None]
    description: Mapped[Prose | None]
    metadata_: Mapped[Json] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
