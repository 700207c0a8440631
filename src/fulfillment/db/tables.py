"""
The tables, and nothing else. `migrations/` makes them; `alembic check` compares the two in CI.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Time = DateTime(timezone=True)
_NOW = func.now()

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("run_id", Text, nullable=False, comment="first run of the workflow that owns the row"),
    Column("caller", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("email", Text),
    Column("reference", Text),
    Column("requested_by", Text),
    Column("status", Text, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", BigInteger, nullable=False, comment="minor units, like every amount"),
    Column("shipping_address", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("terms", JSONB, nullable=False, comment="deadlines and switches this order lives by"),
    Column("stock", Text, nullable=False, comment="none, held, released or left"),
    Column("payment_method", Text),
    Column("payment_token", LargeBinary, comment="encrypted; gone once no payment may need it"),
    Column("payment_token_key", Text, comment="id of the key it is encrypted with"),
    Column("payment_status", Text, nullable=False, server_default="none"),
    Column(
        "payment_next_action",
        JSONB(none_as_null=True),
        comment="what the customer has to do while a payment is awaited",
    ),
    Column("authorized", BigInteger, nullable=False, server_default="0"),
    Column("captured", BigInteger, nullable=False, server_default="0"),
    Column("refunded", BigInteger, nullable=False, server_default="0"),
    Column("failure_code", Text),
    Column("attention_reason", Text),
    Column("attention_since", _Time),
    Column("attention_due_at", _Time),
    Column("resume_status", Text),
    Column("attention_actions", ARRAY(Text), comment="the answers an operator may give"),
    Column("attention_operation", Text, comment="key of what could not be done"),
    Column("payment_due_at", _Time, comment="while a payment is awaited"),
    Column("payment_paused_at", _Time, comment="the days to pay stand still since then"),
    Column("approved_total", BigInteger, comment="the greatest total the rules or people have agreed to"),
    Column("approved_currency", String(3)),
    Column("assessment", JSONB(none_as_null=True), comment="policy, score and reasons when the rules were asked last"),
    Column("fingerprint", Text, nullable=False, comment="HMAC of the accepted body"),
    Column("fingerprint_key", Text, nullable=False),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("last_event", Integer, nullable=False, server_default="0", comment="sequence of the newest event"),
    Column("accepted_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False, server_default=_NOW),
    CheckConstraint("total >= 0", name="total_not_negative"),
    CheckConstraint("captured <= total AND refunded <= captured", name="money_is_bounded"),
    # A rejected order does not keep its reference: the customer may place it again.
    Index(
        "uq_orders_customer_id_reference",
        "customer_id",
        "reference",
        unique=True,
        postgresql_where=text("status <> 'rejected'"),
    ),
    Index("ix_orders_accepted_at_id", "accepted_at", "id"),
    Index("ix_orders_status_accepted_at", "status", "accepted_at"),
    # Where the parcels of a customer usually go is asked for each new order: of the newest ones, however many there
    # are.
    Index("ix_orders_customer_id_accepted_at", "customer_id", "accepted_at"),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", BigInteger, nullable=False),
    CheckConstraint("quantity > 0", name="quantity_positive"),
    CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
)

order_events = Table(
    "order_events",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("key", Text, nullable=False, comment="names the fact: written once, however often a step runs"),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", _Time, nullable=False, server_default=_NOW),
    Column("data", JSONB, nullable=False),
    UniqueConstraint("order_id", "key"),
)

payment_requests = Table(
    "payment_requests",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("key", Text, nullable=False, comment="id of the Update: a repeat of the request is recognised by it"),
    Column("fingerprint", Text, nullable=False, comment="HMAC of the accepted body"),
    Column("fingerprint_key", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", _Time, nullable=False, server_default=_NOW),
    UniqueConstraint("key"),
)

stock = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("updated_at", _Time, nullable=False, server_default=_NOW),
    CheckConstraint("0 <= reserved AND reserved <= on_hand", name="never_oversold"),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sku", Text, ForeignKey("stock.sku"), nullable=False),
    Column("order_id", Uuid, ForeignKey("orders.id")),
    Column("key", Text, nullable=False, comment="names the effect: applied once"),
    Column("kind", Text, nullable=False),
    Column("on_hand_delta", Integer, nullable=False),
    Column("reserved_delta", Integer, nullable=False),
    Column("reason", Text),
    Column("actor", Text, nullable=False),
    Column("at", _Time, nullable=False, server_default=_NOW),
    UniqueConstraint("sku", "key"),
    Index("ix_stock_movements_order_id", "order_id"),
)

operations = Table(
    "operations",
    metadata,
    Column("key", Text, primary_key=True, comment="order:operation:n, sent to the provider"),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("state", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_reference", Text),
    Column("refusal", Text, comment="code of the refusal, when refused"),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("failures", Integer, nullable=False, server_default="0", comment="attempts the provider did not answer"),
    Column("not_done", Integer, nullable=False, server_default="0", comment="those of them that certainly did nothing"),
    Column("actor", Text, nullable=False, server_default="system", comment="who moved the order to where this is due"),
    Column("created_at", _Time, nullable=False, server_default=_NOW),
    Column("updated_at", _Time, nullable=False, server_default=_NOW),
    # No unique constraint beside the key, which is made of the same: ON CONFLICT names one constraint only, and two
    # attempts at the same moment could meet at the other.
    Index("ix_operations_order_id", "order_id"),
    # A provider that tells us something about a payment may name nothing else.
    Index(
        "ix_operations_provider_reference",
        "provider",
        "provider_reference",
        postgresql_where=text("kind = 'authorize'"),
    ),
)

shipments = Table(
    "shipments",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("tracking_number", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("booked_at", _Time, nullable=False, server_default=_NOW),
    Column("updated_at", _Time, nullable=False, server_default=_NOW),
    UniqueConstraint("carrier", "tracking_number"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("order_id", Uuid, comment="no foreign key: events may come before the order is written"),
    # The name is from a time when only carriers had news.
    Column(
        "tracking_number", Text, key="subject", nullable=False, comment="the parcel, or the payment at its provider"
    ),
    Column("occurred_at", _Time, nullable=False),
    Column("received_at", _Time, nullable=False, server_default=_NOW),
    Column("signalled_at", _Time, comment="the workflow has it, or nobody waits for it any more"),
    Column("outcome", Text, comment="delivered, closed, unknown_order or late_event"),
    Column("leased_until", _Time),
    Column("attention_due_at", _Time, comment="an operator is to look at this late event until then"),
    Column("resolved_at", _Time, comment="an operator has looked at it"),
    UniqueConstraint("source", "event_id"),
    Index("ix_inbox_unsignalled", "received_at", postgresql_where=text("signalled_at IS NULL")),
    Index("ix_inbox_order_id", "order_id"),
    Index("ix_inbox_source_tracking_number", "source", "subject"),
    Index(
        "ix_inbox_late_events",
        "received_at",
        "id",
        postgresql_where=text("outcome = 'late_event' AND resolved_at IS NULL"),
    ),
)

principals = Table(
    "principals",
    metadata,
    Column("name", Text, primary_key=True, comment="never given to somebody else: it owns idempotency keys"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("customer_id", Text, comment="sees the orders of this customer alone"),
    Column("created_at", _Time, nullable=False, server_default=_NOW),
    Column("revoked_at", _Time),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("prefix", Text, primary_key=True, comment="the part of the key that may be shown"),
    Column("principal", Text, ForeignKey("principals.name"), nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    Column("created_at", _Time, nullable=False, server_default=_NOW),
    Column("expires_at", _Time),
    Column("revoked_at", _Time),
    Column("last_used_at", _Time, comment="to the minute"),
    UniqueConstraint("digest"),
    Index("ix_api_keys_principal", "principal"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False),
    Column("n", Integer, nullable=False, comment="counts the requests of one order"),
    Column("status", Text, nullable=False),
    Column("plan", JSONB, nullable=False, comment="what is asked of whom, as the policy had it then"),
    Column("assessment", JSONB, nullable=False, comment="score and reasons"),
    Column("requesters", ARRAY(Text), nullable=False, comment="who may not decide"),
    Column("total", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("levels", JSONB, nullable=False, comment="where each level stands"),
    Column("waiting_for", ARRAY(Text), nullable=False, comment="the roles that may decide now"),
    Column("owner", Text, comment="id of the workflow that runs it"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("requested_at", _Time, nullable=False, server_default=_NOW),
    Column("started_at", _Time, nullable=False, comment="its deadline counts from then"),
    Column("due_at", _Time, comment="when somebody higher is asked, or it ends"),
    Column("closed_at", _Time),
    UniqueConstraint("order_id", "n"),
    # An order waits for one request at a time.
    Index("uq_approvals_pending", "order_id", unique=True, postgresql_where=text("status = 'pending'")),
    Index("ix_approvals_status_requested_at_id", "status", "requested_at", "id"),
    Index("ix_approvals_requested_at_id", "requested_at", "id"),
    Index(
        "ix_approvals_waiting_for", "waiting_for", postgresql_using="gin", postgresql_where=text("status = 'pending'")
    ),
)

approval_votes = Table(
    "approval_votes",
    metadata,
    Column("approval_id", Uuid, ForeignKey("approvals.id"), primary_key=True),
    Column("key", Text, primary_key=True, comment="id of the Update: a repeat of the request is recognised by it"),
    Column("level", Text, comment="unknown where the vote was refused"),
    Column("vote", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("on_behalf_of", Text),
    Column("roles", ARRAY(Text), nullable=False, comment="those it was given with"),
    Column("comment", Text),
    Column("state", Text, nullable=False, comment="counted, withdrawn, refused or void"),
    Column("refusal", Text, comment="code of the refusal, when refused"),
    Column("fingerprint", Text, nullable=False, comment="HMAC of the accepted body"),
    Column("fingerprint_key", Text, nullable=False),
    Column("result", JSONB(none_as_null=True), comment="what the voter was told; nothing, when refused"),
    Column("at", _Time, nullable=False, server_default=_NOW),
    Column("withdrawn_at", _Time),
    # A person has one vote per request, whether they give it themselves or somebody does for them.
    Index("uq_approval_votes_actor", "approval_id", "actor", unique=True, postgresql_where=text("state = 'counted'")),
    Index(
        "uq_approval_votes_on_behalf_of",
        "approval_id",
        "on_behalf_of",
        unique=True,
        postgresql_where=text("state = 'counted'"),
    ),
)

delegations = Table(
    "delegations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("delegator", Text, nullable=False),
    Column("delegate", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("starts_at", _Time, nullable=False),
    Column("ends_at", _Time, nullable=False),
    Column("revoked_at", _Time),
    Column("created_at", _Time, nullable=False, server_default=_NOW),
    Column("updated_at", _Time, nullable=False, server_default=_NOW),
    CheckConstraint("starts_at < ends_at", name="some_time"),
    CheckConstraint("delegator <> delegate", name="somebody_else"),
    UniqueConstraint("delegator", "delegate"),
    Index("ix_delegations_delegate", "delegate"),
)

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("orders", Integer, nullable=False, comment="placed so far"),
    Column("recent", ARRAY(_Time), nullable=False, comment="when those of the last hour were placed"),
)
