"""Restoring launch templates with AWS credentials only."""

import pytest

from aws.targets import TargetClients
from client.launch_settings.restore import StillNeededError, TemplateRestorer
from settings import Settings
from tests.activities.isolation.isolated import Worker, isolated_batch
from tests.aws_in_process import TARGET, LocalAws


async def test_a_template_is_left_if_its_drill_was_launched_before_the_operator_confirmed(
    aws: LocalAws, fast: Settings
) -> None:
    worker, restorer = Worker(aws, fast), TemplateRestorer(TargetClients(fast))
    (server,) = aws.servers()
    request = await worker.switch(await worker.prepare(isolated_batch([server])))
    (held,) = await restorer.held(TARGET)
    assert held.needed is None
    result = await worker.launch(request)
    with pytest.raises(StillNeededError, match=str(result.job_id)):
        await restorer.restore(held)
    assert worker.default(server) == 2
    await restorer.restore(held, force=True)
    assert worker.default(server) == 1
