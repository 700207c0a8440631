"""
Requests as a shop would send them.
"""

from typing import Any
from uuid import uuid4


def an_order(**changes: Any) -> dict[str, Any]:
    """A body of `POST /v1/orders`; None takes a field out."""
    body = {
        "customer_id": "C-1",
        "email": "ada@example.com",
        "lines": [
            {"sku": "SKU-1", "name": "Kettle", "quantity": 2, "unit_price": {"amount": 4950, "currency": "EUR"}},
            {"sku": "SKU-2", "name": "Filter", "quantity": 1, "unit_price": {"amount": 0, "currency": "EUR"}},
        ],
        "shipping_address": {
            "name": "Ada Lovelace",
            "line1": "12 Analytical Street",
            "city": "Münster",
            "postal_code": "48143",
            "country": "DE",
        },
        "payment": {"method": "card", "token": "tok_visa"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def a_key() -> dict[str, str]:
    """Headers with a key nobody used before."""
    return {"Idempotency-Key": str(uuid4())}
