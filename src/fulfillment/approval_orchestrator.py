"""
Requests for approval as running workflows: the one place outside the workers that tells them what people say.
"""

from datetime import timedelta

from temporalio.client import Client

from fulfillment.contracts.approvals import Decided, Decision, Reassign, Withdraw
from fulfillment.updates import UPDATE_TIMEOUT, Asked, ask

Message = Decision | Withdraw | Reassign

_NAMES: dict[type[Message], str] = {Decision: "decide", Withdraw: "withdraw", Reassign: "reassign"}


class ApprovalOrchestrator:
    """Approval workflows, seen from outside."""

    def __init__(self, client: Client, patience: timedelta = UPDATE_TIMEOUT) -> None:
        self._client = client
        self.patience = patience

    async def tell(self, owner: str, message: Message, update_id: str, patience: timedelta) -> Decided:
        """
        Where the request stands once the workflow `owner`, which runs it, has written the message down; the same id
        never counts twice there.

        Raises:
            DomainError: it is refused; `ApprovalRequest` has the rules.
            WorkflowEnded: the workflow does not run (any more).
            Unavailable: it does not answer within `patience`; telling it again is safe.
        """
        asked = Asked(
            name=_NAMES[type(message)],
            argument=message,
            id=update_id,
            part="approval's workflow",
            result=Decided,
        )
        decided: Decided = await ask(self._client.get_workflow_handle(owner), asked, patience)
        return decided
