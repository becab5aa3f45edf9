"""The timeline of a purchase is read from its billing events: an index finds them."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX idx_billing_events_purchase ON billing_events (tenant_id, purchase_id, created_at)"
        " WHERE purchase_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX idx_billing_events_purchase")
