"""
Parameters of statements that are made once and executed often.

No parameter may have the name of a column: SQLAlchemy would add that column to every SET and VALUES of the statement.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, Table, TableValuedAlias, bindparam, column, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine


def records(parameter: str, **columns: TypeEngine[Any] | type[TypeEngine[Any]]) -> TableValuedAlias:
    """The rows of the parameter, a list of objects with these keys, under the parameter's name."""
    return (
        func.jsonb_to_recordset(bindparam(parameter, type_=JSONB))
        .table_valued(*(column(name, kind) for name, kind in columns.items()))
        .render_derived(name=parameter, with_types=True)
    )


def parameters_for(table: Table, names: tuple[str, ...]) -> dict[str, BindParameter[Any]]:
    """A parameter `new_NAME` for each named column."""
    return {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}


def new_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these parameters."""
    return {f"new_{name}": value for name, value in values.items()}
