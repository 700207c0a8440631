"""
The database steps of a request for approval.
"""

from temporalio import activity

from fulfillment.contracts.approvals import (
    ApprovalActivities,
    ApprovalStanding,
    OpenApproval,
    RefusedDecision,
    WriteApproval,
)
from fulfillment.db import approvals
from fulfillment.db.engine import Database
from fulfillment.domain.approvals import ApprovalStatus


class SqlApprovalActivities(ApprovalActivities):
    """Each step is one statement or one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def open_approval(self, request: OpenApproval) -> ApprovalStanding:
        async with self._database.transaction() as connection:
            return await approvals.open_request(connection, request)

    @activity.defn
    async def write_approval(self, request: WriteApproval) -> ApprovalStatus:
        async with self._database.transaction() as connection:
            return await approvals.write(connection, request)

    @activity.defn
    async def refuse_decision(self, request: RefusedDecision) -> None:
        async with self._database.statement() as connection:
            await approvals.refuse(connection, request)
