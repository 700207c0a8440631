"""
The workflow sandbox, strict: shared by the workers and by everything that replays histories.
"""

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

# What workflow code never touches but what asyncpg's C code must never be imported twice for: a second import of
# asyncpg in the process of a database activity crashes the interpreter.
_NEVER_AGAIN = ("asyncpg", "sqlalchemy", "greenlet", "pydantic", "pydantic_core")


def workflow_runner(*, strict: bool = True) -> WorkflowRunner:
    """
    The runner: strict checks workflow code while it runs; otherwise only tests and replays check it.
    """
    if not strict:
        return UnsandboxedWorkflowRunner()
    policy = (
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_NEVER_AGAIN)
    return SandboxedWorkflowRunner(restrictions=restrictions.with_import_notification_policy(policy))
