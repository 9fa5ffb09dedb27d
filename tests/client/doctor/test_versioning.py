"""Whether Temporal gives tasks to the workers that poll."""

from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse

from client.doctor.temporal_checks import versioning_check
from recovery.doctor.check import CheckStatus


@pytest.mark.parametrize(
    ("polling", "current", "status", "says"),
    [
        ([], "", CheckStatus.OK, "off"),
        (["v1"], "v1", CheckStatus.OK, "v1"),
        (["v1"], "", CheckStatus.FAIL, "nothing starts"),
        (["v1"], "v2", CheckStatus.FAIL, "no worker of it polls"),
        ([], "v2", CheckStatus.FAIL, "no worker of it polls"),
    ],
)
def test_the_current_version_must_have_a_worker(
    polling: list[str], current: str, status: CheckStatus, says: str
) -> None:
    queue = DescribeTaskQueueResponse()
    for build in polling:
        options = queue.pollers.add().deployment_options
        options.deployment_name, options.build_id = "drs", build
    if current:
        version = queue.versioning_info.current_deployment_version
        version.deployment_name, version.build_id = "drs", current
    client: Any = SimpleNamespace(namespace="default")
    check = versioning_check(client, queue)
    assert check.status is status
    assert says in check.message
    assert "set-current-version" in check.action or says != "nothing starts"
