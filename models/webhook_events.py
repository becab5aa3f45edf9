"""The Stripe inbox: every event once, by Stripe's own id, before anybody knows its tenant (ruling 21)."""

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Count, Flag, Json, Name, Prose, Timestamp


class WebhookEvent(Base):
    """Global: only portal_worker reads it. A parked event waits for an operator."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index(
            "idx_webhook_events_open",
            "received_at",
            postgresql_where=text("processed_at IS NULL AND parked_at IS NULL"),
        ),
        Index("idx_webhook_events_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    event_type: Mapped[Name]
    livemode: Mapped[Flag]
    payload: Mapped[Json]
    received_at: Mapped[Timestamp] = mapped_column(server_default=text("now()"))
    processed_at: Mapped[Timestamp | None]
    error: Mapped[Prose | None]
    retry_count: Mapped[Count]
    parked_at: Mapped[Timestamp | None]
