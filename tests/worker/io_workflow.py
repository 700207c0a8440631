"""
A workflow that could reach the database, by a plain import nobody marked as passed through.
"""

from temporalio import workflow

from fulfillment.db.engine import Database


@workflow.defn
class ReachingOut:
    @workflow.run
    async def run(self) -> str:
        return Database.__name__
