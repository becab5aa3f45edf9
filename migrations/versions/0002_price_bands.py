"""The history of the price bands: who changed them when, from what to what."""

from pathlib import Path

from migrations.scripts import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent / "sql_0002"


def upgrade() -> None:
    run(SQL / "price_bands.sql")


def downgrade() -> None:
    run(SQL / "downgrade.sql")
