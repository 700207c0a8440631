"""
Undo: what operators are asked, cards given later, how providers failed, events after the end
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_requests",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="id of the Update: a repeat of the request is recognised by it"
        ),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="HMAC of the accepted body"),
        sa.Column("fingerprint_key", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_requests_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", "n", name=op.f("pk_payment_requests")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_requests_key")),
    )
    op.add_column(
        "orders",
        sa.Column("attention_actions", sa.ARRAY(sa.Text()), nullable=True, comment="the answers an operator may give"),
    )
    op.add_column(
        "orders",
        sa.Column("attention_operation", sa.Text(), nullable=True, comment="key of what could not be done"),
    )
    op.add_column(
        "orders",
        sa.Column("payment_due_at", sa.DateTime(timezone=True), nullable=True, comment="while a payment is awaited"),
    )
    op.add_column(
        "operations",
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="attempts the provider did not answer"
        ),
    )
    op.add_column(
        "operations",
        sa.Column(
            "not_done",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="those of them that certainly did nothing",
        ),
    )
    op.add_column(
        "inbox",
        sa.Column(
            "attention_due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="an operator is to look at this late event until then",
        ),
    )
    op.add_column(
        "inbox",
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True, comment="an operator has looked at it"),
    )
    op.alter_column("inbox", "outcome", comment="delivered, closed, unknown_order or late_event")
    op.create_index(
        "ix_inbox_late_events",
        "inbox",
        ["received_at", "id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'late_event' AND resolved_at IS NULL"),
    )
    op.create_index("ix_inbox_source_tracking_number", "inbox", ["source", "tracking_number"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_inbox_source_tracking_number", table_name="inbox")
    op.drop_index("ix_inbox_late_events", table_name="inbox")
    op.alter_column("inbox", "outcome", comment="delivered, closed or unknown_order")
    op.drop_column("inbox", "resolved_at")
    op.drop_column("inbox", "attention_due_at")
    op.drop_column("operations", "not_done")
    op.drop_column("operations", "failures")
    op.drop_column("orders", "payment_due_at")
    op.drop_column("orders", "attention_operation")
    op.drop_column("orders", "attention_actions")
    op.drop_table("payment_requests")
