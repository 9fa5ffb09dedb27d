"""The versioning behavior of our long-lived workflows, if Worker Versioning is on."""

import os

from temporalio.common import VersioningBehavior

# The worker's default is PINNED. A pinned workflow that outlives deploys would hang once the
# workers of its version have stopped. If versioning is off, Temporal rejects tasks with a behavior.
LONG_LIVED = (
    VersioningBehavior.AUTO_UPGRADE
    if os.environ.get("DRS_WAVES_BUILD_ID")
    else VersioningBehavior.UNSPECIFIED
)
