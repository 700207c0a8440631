"""
The tables of the peer sagas, a schema for each, and what both need to write.
"""

from fulfillment.contracts.orders import Line, StartOrder

# The peers know no events, ledger or movements: what they do not promise they need not write.
TABLES = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.orders (
    id uuid PRIMARY KEY, customer_id text NOT NULL, email text, status text NOT NULL, total bigint NOT NULL,
    currency char(3) NOT NULL, shipping_address jsonb NOT NULL, payment_id text, tracking_number text,
    booked_at timestamptz, updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE {schema}.order_lines (
    order_id uuid NOT NULL REFERENCES {schema}.orders, position integer NOT NULL, sku text NOT NULL,
    quantity integer NOT NULL, unit_price bigint NOT NULL, PRIMARY KEY (order_id, position)
);
CREATE TABLE {schema}.stock (
    sku text PRIMARY KEY, on_hand integer NOT NULL, reserved integer NOT NULL DEFAULT 0,
    CHECK (0 <= reserved AND reserved <= on_hand)
);
CREATE TABLE {schema}.reservations (
    order_id uuid NOT NULL, sku text NOT NULL, quantity integer NOT NULL, PRIMARY KEY (order_id, sku)
);
CREATE TABLE {schema}.emails (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid NOT NULL UNIQUE, recipient text NOT NULL,
    subject text NOT NULL
);
"""


def by_sku(order: StartOrder) -> list[Line]:
    """The lines in the one order that cannot deadlock."""
    return sorted(order.lines, key=lambda line: line.sku)
