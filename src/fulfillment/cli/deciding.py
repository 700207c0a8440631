"""
`fulfillment approvals approve|reject|abstain|withdraw|reassign`: what people say to an approval.
"""

import re
from typing import Annotated
from uuid import UUID, uuid4

import typer

from fulfillment.cli.approval_inbox import APPROVER, ApprovalArgument, approval, approval_path
from fulfillment.cli.http import ApiUrl, AsCaller, AsJson, Json, accepted, money, persistent, print_json, service
from fulfillment.domain.approvals import Vote

_OPERATOR = "operator"
_VISIBLE = re.compile(r"[!-~]{1,255}")
_OUTCOMES = {
    "approved": "The order goes on.",
    "rejected": "The order is not carried out.",
    "void": "It does not count: the order was cancelled or changed meanwhile.",
    "expired": "It came too late.",
}

Level = Annotated[str | None, typer.Option(help="Which level, where several wait for your roles.")]
Comment = Annotated[str | None, typer.Option(help="For the others who decide; it is kept with the approval.")]
OnBehalfOf = Annotated[
    str | None,
    typer.Option(help="Whose delegation to use, if several could be meant: key:NAME, NAME, or jwt:ISSUER#SUBJECT."),
]


def _visible(text: str) -> str:
    if not _VISIBLE.fullmatch(text):
        msg = "is 1 to 255 visible ASCII characters, without spaces"
        raise typer.BadParameter(msg)
    return text


Key = Annotated[
    str | None,
    typer.Option(parser=_visible, metavar="KEY", help="Names the decision: the same key never votes twice."),
]


def approve(
    approval_id: ApprovalArgument,
    level: Level = None,
    comment: Comment = None,
    on_behalf_of: OnBehalfOf = None,
    key: Key = None,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Say yes, for your role or for somebody who delegated theirs to you.
    """
    body = _body(Vote.APPROVE, level, comment, on_behalf_of)
    _decide(approval_id, body, key, caller, api, as_json=as_json)


def reject(
    approval_id: ApprovalArgument,
    level: Level = None,
    comment: Comment = None,
    on_behalf_of: OnBehalfOf = None,
    key: Key = None,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Say no: one no ends the approval, and the order is not carried out.
    """
    _decide(approval_id, _body(Vote.REJECT, level, comment, on_behalf_of), key, caller, api, as_json=as_json)


def abstain(
    approval_id: ApprovalArgument,
    level: Level = None,
    comment: Comment = None,
    on_behalf_of: OnBehalfOf = None,
    key: Key = None,
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Say that you neither agree nor refuse; it is on record, and somebody else has to decide.
    """
    body = _body(Vote.ABSTAIN, level, comment, on_behalf_of)
    _decide(approval_id, body, key, caller, api, as_json=as_json)


def withdraw(
    approval_id: ApprovalArgument, caller: AsCaller = None, api: ApiUrl = None, as_json: AsJson = False
) -> None:
    """
    Take your vote back, while its level is open; you may vote anew.
    """
    with service(api, APPROVER, caller) as client:
        found = approval(client, approval_id)
        hints = {**_hints(found), "unavailable": _look(found)}
        decided = accepted(client.post(f"{approval_path(found['id'])}/withdraw"), hints)
    _print("Withdrawn", found, decided, as_json=as_json)


def reassign(
    approval_id: ApprovalArgument,
    level: Annotated[str, typer.Option(help="The level that waits for the wrong people.")],
    role: Annotated[str, typer.Option(help="Who decides there from now on.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the order.")],
    caller: AsCaller = None,
    api: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """
    Let another role decide at a level. It has the whole time of the level; votes that were given still count.
    """
    with service(api, _OPERATOR, caller) as client:
        found = approval(client, approval_id)
        hints = {**_hints(found), "unavailable": _look(found)}
        body = {"level": level, "role": role, "reason": reason}
        decided = accepted(client.post(f"{approval_path(found['id'])}/reassign", json=body), hints)
    _print(f"Level {level} now waits for {role}", found, decided, as_json=as_json)


def person(name: str) -> str:
    """How the service calls somebody: a bare name is that of a caller with an API key."""
    return name if ":" in name else f"key:{name}"


def _body(vote: Vote, level: str | None, comment: str | None, on_behalf_of: str | None) -> Json:
    body = {
        "decision": vote,
        "level": level,
        "comment": comment,
        "on_behalf_of": person(on_behalf_of) if on_behalf_of else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _decide(
    approval_id: UUID, body: Json, key: str | None, caller: str | None, url: str | None, *, as_json: bool
) -> None:
    key = key or str(uuid4())
    with service(url, APPROVER, caller) as client:
        found = approval(client, approval_id)
        hints = {
            **_hints(found),
            "unavailable": f"It may count all the same. Doing it again is safe: repeat the command with --key {key}.",
        }
        path = f"{approval_path(found['id'])}/decisions"
        decided = accepted(persistent(client, "POST", path, body, key=key), hints)
    _print(f"Written down: {body['decision']}", found, decided, as_json=as_json)


def _look(found: Json) -> str:
    return f"It may have happened all the same. See what counts: fulfillment approvals show {found['id']}"


def _hints(found: Json) -> dict[str, str]:
    show = f"fulfillment approvals show {found['id']}"
    return {
        "approval_closed": f"See what was decided: {show}",
        "already_voted": f"Take it back first: fulfillment approvals withdraw {found['id']}",
        "nothing_to_withdraw": f"See what people said: {show}",
        "not_an_approver": "Decide with the key of somebody who has the role: --as NAME on a local stack, else "
        "FULFILLMENT_API_KEY.",
        "own_order": "Somebody else has to decide.",
        "one_level_per_person": "Somebody else has to decide.",
        "too_many_changes": f"See what people said: {show}",
    }


def _print(what: str, found: Json, decided: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(decided)
        return
    typer.echo(f"{what}. Order {found['order_id']}, {money(found['total'])}: the approval is {decided['status']}.")
    for missing in decided["missing"]:
        votes = missing["votes"]
        typer.echo(f"  {votes} more {'vote is' if votes == 1 else 'votes are'} needed at the level {missing['level']}")
    if decided["status"] in _OUTCOMES:
        typer.echo(_OUTCOMES[decided["status"]])
