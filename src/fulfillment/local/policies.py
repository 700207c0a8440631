"""
Whose approval an order needs on a laptop: policies as one variable of the service takes them.
"""

from fulfillment.settings.policy_document import DEFAULT_DOCUMENT, PolicyDocument

POLICY_VARIABLE = "FULFILLMENT_APPROVALS__POLICY"

RATES = {"EUR": "1.1", "GBP": "1.3", "CHF": "1.15", "JPY": "0.0067", "KWD": "3.25"}
"""US dollars for one unit, about: without a rate the smallest order would need a manager."""


def as_variable(policy: PolicyDocument) -> str:
    """The policy as JSON, with what it leaves to its defaults left out."""
    return policy.model_dump_json(by_alias=True, exclude_unset=True)


LOCAL_POLICY = as_variable(
    PolicyDocument.model_validate(
        {**DEFAULT_DOCUMENT.model_dump(by_alias=True, exclude_unset=True), "version": "local", "rates": RATES}
    )
)
"""The default one of the service, with rates."""
