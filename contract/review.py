"""What is asked of servers that were launched before."""

from recovery.base_model import Model
from recovery.execution.server import ServerResult
from recovery.plan.model import Target


class ReviewRequest(Model):
    """The servers of a wave and where their earlier launches are to be found.

    Attributes:
        launch_prefixes: how the launch IDs of the earlier attempts begin.
        own_prefix: how those of this execution begin; other jobs are taken over.
        since: epoch seconds before which there were none.
    """

    target: Target
    servers: list[ServerResult]
    launch_prefixes: list[str]
    is_drill: bool
    since: float
    own_prefix: str = ""
