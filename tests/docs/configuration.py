"""
docs/configuration.md: every variable, as the settings describe it.

    python -m tests.docs.configuration    writes the page anew
"""

from collections.abc import Iterator, Mapping

from tests.docs.generated import DOCS, cell, how, renewed
from tests.docs.settings_fields import Section, Variable, all_sections

MODULE = "tests.docs.configuration"
PAGE = DOCS / "configuration.md"
RENEW = how(MODULE)

READ_BY: Mapping[str, str] = {
    "FULFILLMENT_": "every process",
    "FULFILLMENT_LOG__": "API, workers, sandbox",
    "FULFILLMENT_DATABASE__": "API, workers, `fulfillment db`, `fulfillment keys`",
    "FULFILLMENT_ENCRYPTION__": "API, workers",
    "FULFILLMENT_API__": "API (the workers check them, so that one file serves all)",
    "FULFILLMENT_INTERNAL__": "API, workers",
    "FULFILLMENT_WORKER__": "workers",
    "FULFILLMENT_ORDERS__": "worker `orders`; the API reads `ATTENTION_WINDOW`",
    "FULFILLMENT_APPROVALS__": "worker `orders` applies it; the API shows and explains it",
    "FULFILLMENT_PAYMENTS__": "worker `payments`; the API reads adapter, name and the secret of the events",
    "FULFILLMENT_PAYMENTS__STRIPE__": "worker `payments`",
    "FULFILLMENT_CARRIERS__": "worker `shipping`; the API reads the name and the secret of the events",
    "FULFILLMENT_JWT__": "API",
    "FULFILLMENT_LIMITS__": "API",
    "FULFILLMENT_SANDBOX__": "sandbox",
}
"""Which processes act on a section and on those within it; what is not here has its line left out."""


def current() -> str:
    """The page as it is to be."""
    return renewed(PAGE, "\n\n".join(_section(section) for section in all_sections()), module=MODULE)


def _section(section: Section) -> str:
    heading = f"### `{section.prefix}…`"
    return "\n\n".join([heading, *_introduction(section), "\n".join(_table(section))])


def _introduction(section: Section) -> Iterator[str]:
    yield section.meaning
    if section.optional:
        yield "Optional: in effect as soon as one of its variables is set; then those that are required must be, too."
    if reader := _reader(section.prefix):
        yield f"Read by: {reader}."


def _reader(prefix: str) -> str | None:
    around = [one for one in READ_BY if one == prefix or (one.endswith("__") and prefix.startswith(one))]
    return READ_BY[max(around, key=len)] if around else None


def _table(section: Section) -> Iterator[str]:
    yield "| variable | takes | default | meaning |"
    yield "|---|---|---|---|"
    yield from (_row(variable) for variable in section.variables)


def _row(variable: Variable) -> str:
    default = "**required**" if variable.default is None else variable.default
    return f"| `{variable.name}` | {cell(variable.takes)} | {cell(default)} | {cell(variable.meaning)} |"


if __name__ == "__main__":
    PAGE.write_text(current())
