"""
Identity: callers with API keys; on whose behalf a provider is asked
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "principals",
        sa.Column("name", sa.Text(), nullable=False, comment="never given to somebody else: it owns idempotency keys"),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True, comment="sees the orders of this customer alone"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_principals")),
    )
    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.Text(), nullable=False, comment="the part of the key that may be shown"),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole key"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="to the minute"),
        sa.ForeignKeyConstraint(["principal"], ["principals.name"], name=op.f("fk_api_keys_principal_principals")),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index("ix_api_keys_principal", "api_keys", ["principal"], unique=False)
    op.add_column(
        "operations",
        sa.Column(
            "actor",
            sa.Text(),
            server_default="system",
            nullable=False,
            comment="who moved the order to where this is due",
        ),
    )


def downgrade() -> None:
    op.drop_column("operations", "actor")
    op.drop_table("api_keys")
    op.drop_table("principals")
