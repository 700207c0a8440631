"""
`fulfillment approvals policy` and `explain`: the rules that say whose approval an order needs.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table

from fulfillment.cli.http import ApiUrl, AsCaller, AsJson, Json, checked, console, money, print_json, service
from fulfillment.domain.iso import CURRENCIES
from fulfillment.domain.money import Money, exponent

_ROLE = "operator"
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")

_REASONS: Mapping[str, str] = {
    "amount": "its total",
    "no_rate": "no rate for its currency",
    "risk": "its risk",
}
_OUTCOMES: Mapping[str, str] = {
    "automatic": "Nobody is asked.",
    "refused": "The order would be rejected for its risk.",
}
_MODES: Mapping[str, str] = {"sequential": "one after the other", "parallel": "all at once"}

Amount = Annotated[
    str,
    typer.Option(help="The total as people write it: `1200.00` for USD, `1200` for JPY. Not minor units.", metavar="N"),
]


def policy(caller: AsCaller = None, api: ApiUrl = None, as_json: AsJson = False) -> None:
    """
    Show the rules in force: who is asked from which total on, and what counts as risk.
    """
    with service(api, _ROLE, caller) as client:
        document = checked(client.get("/v1/approval-policy")).json()
    if as_json:
        print_json(document)
    else:
        _print_policy(document)


def explain(
    amount: Amount,
    currency: Annotated[str, typer.Option(help="ISO 4217 code, like USD.")],
    customer: Annotated[str | None, typer.Option(help="Whose order it would be; nothing is counted.")] = None,
    country: Annotated[str | None, typer.Option(help="Where it would go: ISO 3166-1 alpha-2, like DE.")] = None,
    units: Annotated[int | None, typer.Option(min=1, help="The most pieces of one article.")] = None,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Tell whose approval an order would need, and why. What is left out is not judged; nothing is placed.
    """
    given: Json = {
        "amount": _minor_units(amount, currency),
        "currency": currency,
        "customer_id": customer,
        "country": country,
        "units": units,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    with service(api, _ROLE, caller) as client:
        document = checked(client.get("/v1/approval-policy/explanation", params=parameters)).json()
    if as_json:
        print_json(document)
    else:
        _print_explanation(document)


def _minor_units(amount: str, currency: str) -> int:
    """
    The amount in minor units.

    Raises:
        BadParameter: it is none of this currency, or there is no such currency.
    """
    if currency not in CURRENCIES:
        msg = "must be an ISO 4217 code in capitals, like USD"
        raise typer.BadParameter(msg, param_hint="--currency")
    digits = exponent(currency)
    units = Decimal(amount).scaleb(digits) if _AMOUNT.fullmatch(amount) else None
    if units is None or units != units.to_integral_value():
        example = str(Money(120 * 10**digits, currency)).partition(" ")[0]
        msg = f"must be a number from 0 on, at most 15 digits and {digits} after the point, like {example}"
        raise typer.BadParameter(msg, param_hint="--amount")
    return int(units)


def _print_policy(document: Json) -> None:
    out = console()
    out.print(f"policy {document['version']}, levels are asked {_MODES.get(document['mode'], document['mode'])}")
    table = Table("level", "from", "may decide later, too")
    table.add_column("people", justify="right")
    for level in document["levels"]:
        limits = ", ".join(money({"amount": least, "currency": name}) for name, least in level["from"].items())
        table.add_row(level["role"], limits or "only for its risk", level["escalates_to"] or "-", str(level["quorum"]))
    out.print(table if document["levels"] else "Nobody is ever asked.")
    if document["rates"]:
        rates = ", ".join(f"1 {name} = {rate} {document['base_currency']}" for name, rate in document["rates"].items())
        out.print(f"rates: {rates}")
    for line in _risk_lines(document["risk"]):
        out.print(line)


def _risk_lines(risk: Json) -> Iterable[str]:
    for rule in ("first_order", "unusual_address"):
        if risk[rule]:
            yield f"risk: {rule} {risk[rule]}"
    for rule in ("orders_within_hour", "units_of_one_sku"):
        if risk[rule]:
            yield f"risk: {rule} from {risk[rule]['number']} on {risk[rule]['points']}"
    for country, points in risk["countries"].items():
        yield f"risk: country {country} {points}"
    for rule in risk["forced"]:
        yield f"risk: from a score of {rule['score']} on {rule['role']} is asked"
    if risk["refuse_from"] is not None:
        yield f"risk: from a score of {risk['refuse_from']} on an order is rejected"


def _print_explanation(document: Json) -> None:
    out = console()
    compared = document["compared"]
    worth = f", compared as {money(compared)}" if compared not in (None, document["total"]) else ""
    out.print(f"{money(document['total'])}{worth}, policy {document['policy']}")
    if document["levels"]:
        out.print(_levels(document["levels"]))
        if len(document["levels"]) > 1:
            out.print(f"They are asked {_MODES.get(document['mode'], document['mode'])}.")
    else:
        out.print(_OUTCOMES.get(document["outcome"], document["outcome"]))
    _print_score(document["risk"])


def _levels(levels: Iterable[Mapping[str, Any]]) -> Table:
    table = Table("level", "because of")
    table.add_column("people", justify="right")
    for level in levels:
        why = ", ".join(_REASONS.get(reason, reason) for reason in level["reasons"])
        table.add_row(level["role"], why, str(level["quorum"]))
    return table


def _print_score(risk: Json) -> None:
    out = console()
    points = ", ".join(f"{rule} {number}" for rule, number in risk["points"].items())
    out.print(f"score {risk['score']}{f': {points}' if points else ''}")
    if risk["not_judged"]:
        out.print(f"not judged: {', '.join(risk['not_judged'])}")
