"""
Providers: what a customer has to do before a card can be used, news of payments, payments by their provider's name
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "orders",
        sa.Column(
            "payment_next_action",
            postgresql.JSONB(astext_type=sa.Text(), none_as_null=True),
            nullable=True,
            comment="what the customer has to do while a payment is awaited",
        ),
    )
    op.alter_column("inbox", "tracking_number", comment="the parcel, or the payment at its provider")
    op.create_index(
        "ix_operations_provider_reference",
        "operations",
        ["provider", "provider_reference"],
        unique=False,
        postgresql_where=sa.text("kind = 'authorize'"),
    )


def downgrade() -> None:
    op.drop_index("ix_operations_provider_reference", table_name="operations")
    op.alter_column("inbox", "tracking_number", comment=None)
    op.drop_column("orders", "payment_next_action")
