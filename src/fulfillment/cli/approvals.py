"""
`fulfillment approvals`: orders that wait for somebody's approval, and the rules that say whose.
"""

import typer

from fulfillment.cli import approval_inbox, approval_policy, deciding, delegating

app = typer.Typer(help="Orders that wait for an approval, and the rules that say whose.", no_args_is_help=True)
app.command(name="list")(approval_inbox.list_approvals)
for command in (
    approval_inbox.show,
    deciding.approve,
    deciding.reject,
    deciding.abstain,
    deciding.withdraw,
    deciding.reassign,
    delegating.delegate,
    delegating.delegations,
    delegating.undelegate,
    approval_policy.policy,
    approval_policy.explain,
):
    app.command()(command)
