"""
Whose approval the demo's orders need.
"""

from fulfillment.domain.approval_policy import Policy, RiskFacts
from fulfillment.domain.orders import FailureCode
from fulfillment.local.demo.decisions import Approver
from fulfillment.local.demo.orders_file import FileOrder, OrdersFile
from fulfillment.local.policies import RATES, as_variable
from fulfillment.settings.policy_document import DEFAULT_DOCUMENT, PolicyDocument

NIGHT_DESK = "night_desk"
"""A level nobody is there for: after seconds a manager may decide as well, and after more of them it is too late."""
_TO_ANTARCTICA, _TO_BOUVET_ISLAND, _TO_KERGUELEN = "AQ", "BV", "TF"

_AMOUNTS = [level.model_dump(by_alias=True, exclude_unset=True) for level in DEFAULT_DOCUMENT.levels]
_POLICY = {
    "version": "demo",
    "rates": RATES,
    "levels": [
        {"role": NIGHT_DESK, "reminders": ["PT2S"], "escalate_after": "PT4S", "expire_after": "PT20S"},
        {"role": Approver.COMPLIANCE, "quorum": 2},
        *_AMOUNTS,
    ],
    "risk": {
        "countries": {_TO_ANTARCTICA: 20, _TO_BOUVET_ISLAND: 40, _TO_KERGUELEN: 100},
        "forced": [{"score": 20, "role": NIGHT_DESK}, {"score": 40, "role": Approver.COMPLIANCE}],
        "refuse_from": 100,
    },
}
_SHORT = {"reminders": ["PT5S"], "escalate_after": "PT15S", "expire_after": "PT15S"}


def policy_for(file: OrdersFile) -> str:
    """
    The policy as a variable of the service.

    Only a file that has people be late where they usually have days gets seconds for everybody: a busy machine is to
    break no other.
    """
    usual = PolicyDocument.model_validate(_POLICY)
    rules = usual.to_policy()
    waits = any(_lets_time_pass(order, rules) for order in file.orders)
    return as_variable(PolicyDocument.model_validate({**_POLICY, **_SHORT}) if waits else usual)


def _lets_time_pass(order: FileOrder, rules: Policy) -> bool:
    """Nobody is to decide in time, or a role that is asked only then."""
    facts = RiskFacts(country=order.body["shipping_address"]["country"].strip(), most_units=0)
    asked = {level.role for level in rules.assess(order.total, facts).plan.levels}
    if not asked or NIGHT_DESK in asked:
        return False
    decide = {approver for approver, _ in order.scenario.decisions or ()} - {Approver.DEPUTY}
    return order.scenario.lets_pass is FailureCode.APPROVAL_EXPIRED or bool(decide - asked)
