"""Terminations are verified before they are sent."""

from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.access.cleanup_check import CleanupCheck
from activities.access.verifier import RequestVerifier
from contract.cleanup import StartCleanup, TerminateRequest
from recovery.access.grants import AccessCode, AccessRefusedError
from recovery.access.session_identity import SessionIdentity
from recovery.plan.model import Target
from security.signers import KeyFile, RequestSigner
from settings import Settings
from tests.security.keys import key_file, private_key, trusted


async def test_sessions_of_a_termination_are_named_after_who_signed_it(tmp_path: Path) -> None:
    key = private_key(tmp_path)
    file = key_file(tmp_path, trusted(key))
    settings = Settings(require_signed_requests=True, request_keys=str(file))
    check = CleanupCheck(RequestVerifier(settings))
    cleanup = StartCleanup(execution_id="crm-1", plan_id="crm", actor="ops")
    cleanup.signed = await RequestSigner(KeyFile(key)).sign(
        cleanup.subject, actor="ops", valid_seconds=60
    )
    request = TerminateRequest(
        target=Target(region="us-west-2"),
        instances=[],
        acting_for=SessionIdentity.of("crm", "crm-1", "ops"),
        cleanup=cleanup,
    )
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_type="DrillCleanupWorkflow")
    assert environment.run(check.subject_of, request) == cleanup.subject
    request.acting_for = SessionIdentity.of("crm", "crm-1", "boss")
    with pytest.raises(AccessRefusedError) as refused:
        environment.run(check.subject_of, request)
    assert refused.value.code is AccessCode.OTHER_ACTOR
