"""A worker that acts by signed requests only, and the keys that it has."""

from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.access.verifier import RequestVerifier
from activities.readiness.surroundings import SurroundingsActivities
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import SurroundingsLook
from recovery.readiness.finding import FindingCode
from settings import Settings
from tests.aws_in_process import LocalAws
from tests.recovery.plans import diamond
from tests.security.keys import key_file, private_key, trusted


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        ([], {FindingCode.NO_SIGNING_KEY}),
        (["api"], {FindingCode.NO_BREAK_GLASS_KEY}),
        (["offline"], {FindingCode.ONLY_BREAK_GLASS, FindingCode.BREAK_GLASS_UNTESTED}),
        (["api", "offline"], {FindingCode.BREAK_GLASS_UNTESTED}),
    ],
)
async def test_the_keys_that_a_worker_lacks_are_findings(
    aws: LocalAws, fast: Settings, tmp_path: Path, names: list[str], codes: set[FindingCode]
) -> None:
    keys = [trusted(private_key(tmp_path, n), break_glass=n == "offline") for n in names]
    file = str(key_file(tmp_path, *keys)) if keys else None
    signed = {"require_signed_requests": True, "request_keys": file}
    settings = fast.model_copy(update=signed)
    activities = SurroundingsActivities(
        TargetClients(settings),
        settings,
        DependencyRegions(),
        None,
        [],
        verifier=RequestVerifier(settings),
    )
    look = SurroundingsLook(plan=diamond())
    found = await ActivityEnvironment().run(activities.look_at_surroundings, look)
    access = {FindingCode(c) for c in FindingCode if "KEY" in c or "BREAK_GLASS" in c}
    assert {each.code for each in found.findings} & access == codes
