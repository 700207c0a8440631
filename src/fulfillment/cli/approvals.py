"""
`fulfillment approvals`: orders that wait for somebody's approval, and the rules that say whose.
"""

import typer

from fulfillment.cli import approval_policy

app = typer.Typer(help="Orders that wait for an approval, and the rules that say whose.", no_args_is_help=True)
app.command()(approval_policy.policy)
app.command()(approval_policy.explain)
