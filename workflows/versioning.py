"""Which of our workflows stay with a version of the worker, where Worker Versioning is on."""

import os

from temporalio.common import VersioningBehavior

# The worker's default is PINNED. A workflow that outlives deploys would hang once the workers of
# its version are gone. Unless versioning is on, Temporal refuses a behavior with every task.
LONG_LIVED = (
    VersioningBehavior.AUTO_UPGRADE
    if os.environ.get("DRS_WAVES_BUILD_ID")
    else VersioningBehavior.UNSPECIFIED
)
