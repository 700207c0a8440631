"""
Approvals: requests, votes, delegations, what is known of a customer
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False, comment="placed so far"),
        sa.Column(
            "recent",
            sa.ARRAY(sa.DateTime(timezone=True)),
            nullable=False,
            comment="when those of the last hour were placed",
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "delegations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delegator", sa.Text(), nullable=False),
        sa.Column("delegate", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("delegator <> delegate", name=op.f("ck_delegations_somebody_else")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_delegations_some_time")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegations")),
        sa.UniqueConstraint("delegator", "delegate", name=op.f("uq_delegations_delegator_delegate")),
    )
    op.create_index("ix_delegations_delegate", "delegations", ["delegate"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, comment="counts the requests of one order"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "plan",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what is asked of whom, as the policy had it then",
        ),
        sa.Column("assessment", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="score and reasons"),
        sa.Column("requesters", sa.ARRAY(sa.Text()), nullable=False, comment="who may not decide"),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("levels", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="where each level stands"),
        sa.Column("waiting_for", sa.ARRAY(sa.Text()), nullable=False, comment="the roles that may decide now"),
        sa.Column("owner", sa.Text(), nullable=True, comment="id of the workflow that runs it"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="its deadline counts from then"),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), nullable=True, comment="when somebody higher is asked, or it ends"
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_approvals_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("order_id", "n", name=op.f("uq_approvals_order_id_n")),
    )
    op.create_index("ix_approvals_status_requested_at_id", "approvals", ["status", "requested_at", "id"], unique=False)
    op.create_index("ix_approvals_requested_at_id", "approvals", ["requested_at", "id"], unique=False)
    op.create_index(
        "ix_approvals_waiting_for",
        "approvals",
        ["waiting_for"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "uq_approvals_pending", "approvals", ["order_id"], unique=True, postgresql_where=sa.text("status = 'pending'")
    )
    op.create_table(
        "approval_votes",
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="id of the Update: a repeat of the request is recognised by it"
        ),
        sa.Column("level", sa.Text(), nullable=True, comment="unknown where the vote was refused"),
        sa.Column("vote", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=True),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False, comment="those it was given with"),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False, comment="counted, withdrawn, refused or void"),
        sa.Column("refusal", sa.Text(), nullable=True, comment="code of the refusal, when refused"),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="HMAC of the accepted body"),
        sa.Column("fingerprint_key", sa.Text(), nullable=False),
        sa.Column(
            "result",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="what the voter was told; nothing, when refused",
        ),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name=op.f("fk_approval_votes_approval_id_approvals")
        ),
        sa.PrimaryKeyConstraint("approval_id", "key", name=op.f("pk_approval_votes")),
    )
    op.create_index(
        "uq_approval_votes_actor",
        "approval_votes",
        ["approval_id", "actor"],
        unique=True,
        postgresql_where=sa.text("state = 'counted'"),
    )
    op.create_index(
        "uq_approval_votes_on_behalf_of",
        "approval_votes",
        ["approval_id", "on_behalf_of"],
        unique=True,
        postgresql_where=sa.text("state = 'counted'"),
    )
    op.create_index("ix_orders_customer_id_accepted_at", "orders", ["customer_id", "accepted_at"], unique=False)
    op.add_column(
        "orders",
        sa.Column(
            "payment_paused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the days to pay stand still since then",
        ),
    )
    op.add_column(
        "orders",
        sa.Column(
            "approved_total",
            sa.BigInteger(),
            nullable=True,
            comment="the greatest total the rules or people have agreed to",
        ),
    )
    op.add_column("orders", sa.Column("approved_currency", sa.String(length=3), nullable=True))
    op.add_column(
        "orders",
        sa.Column(
            "assessment",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
            comment="policy, score and reasons when the rules were asked last",
        ),
    )


def downgrade() -> None:
    op.drop_column("orders", "assessment")
    op.drop_column("orders", "approved_currency")
    op.drop_column("orders", "approved_total")
    op.drop_column("orders", "payment_paused_at")
    op.drop_index("ix_orders_customer_id_accepted_at", table_name="orders")
    op.drop_index(
        "uq_approval_votes_on_behalf_of", table_name="approval_votes", postgresql_where=sa.text("state = 'counted'")
    )
    op.drop_index("uq_approval_votes_actor", table_name="approval_votes", postgresql_where=sa.text("state = 'counted'"))
    op.drop_table("approval_votes")
    op.drop_index("uq_approvals_pending", table_name="approvals", postgresql_where=sa.text("status = 'pending'"))
    op.drop_index(
        "ix_approvals_waiting_for",
        table_name="approvals",
        postgresql_using="gin",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("ix_approvals_requested_at_id", table_name="approvals")
    op.drop_index("ix_approvals_status_requested_at_id", table_name="approvals")
    op.drop_table("approvals")
    op.drop_index("ix_delegations_delegate", table_name="delegations")
    op.drop_table("delegations")
    op.drop_table("customers")
