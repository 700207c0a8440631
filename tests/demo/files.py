"""
Files of orders for tests.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def a_line(reference: str | None = "R-1", **changes: Any) -> dict[str, Any]:
    """A line of the file; None takes a field out."""
    line = {
        "reference": reference,
        "customer_id": "C-1",
        "lines": [{"sku": "SKU-1", "name": "Kettle", "quantity": 2, "unit_price": {"amount": 4950, "currency": "EUR"}}],
        "shipping_address": {
            "name": "Ada Lovelace",
            "line1": "12 Analytical Street",
            "city": "Münster",
            "country": "DE",
        },
        **changes,
    }
    return {name: value for name, value in line.items() if value is not None}


def written(folder: Path, *lines: Mapping[str, Any] | str, name: str = "orders.jsonl") -> Path:
    """A file of these lines, in a folder of its own."""
    path = folder / name
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path
