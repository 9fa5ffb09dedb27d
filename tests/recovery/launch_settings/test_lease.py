"""What a drill's template version says of itself, and what is done with a template's default."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.launch_settings.in_force import DrsFields
from recovery.launch_settings.lease import (
    MAX_DESCRIPTION,
    DrillVersion,
    Lease,
    TemplateAction,
    TemplateVersion,
    before_switch,
    held_by,
    is_drills,
    when_restoring,
)
from recovery.launch_settings.model import LaunchDisposition, RecoveryMode

SERVER = "s-3a1f0c5d7e9b2468a"
DRILL_SUBNET = "subnet-0d0d0d0d0d0d0d0d0"
BOOLEANS = st.booleans() | st.none()


def drill(**fields: Any) -> DrillVersion:
    return DrillVersion(
        **{
            "execution_id": "crm-0123456789ab",
            "restore_version": 3,
            "source_server_id": SERVER,
            "lease_id": "0123456789ab",
        }
        | fields
    )


def version(number: int, description: str = "", **fields: Any) -> TemplateVersion:
    return TemplateVersion(
        template_id="lt-1", number=number, is_default=True, description=description, **fields
    )


LEASE = Lease(template_id="lt-1", drill_version=4, drill=drill(), subnet_id=DRILL_SUBNET)
OURS = version(4, drill().description, subnet_id=DRILL_SUBNET)
EARLIER = version(3)
THEIRS = version(5, drill(execution_id="erp-0123456789ab", lease_id="f" * 12).description)
EDITED = version(6, "wider security group")


def test_a_description_says_to_a_person_what_to_restore() -> None:
    changed = drill(
        before=DrsFields(launch_disposition=LaunchDisposition.STOPPED, copy_private_ip=True),
        during=DrsFields(launch_disposition=LaunchDisposition.STARTED, copy_private_ip=False),
    )
    assert changed.description == (
        "DRILL crm-0123456789ab: restore version 3; s-3a1f0c5d7e9b2468a; lease 0123456789ab; "
        "disposition=STOPPED>STARTED copyIp=true>false"
    )


def test_the_longest_description_fits_into_ec2() -> None:
    longest = drill(
        execution_id="x" * 64 + "-0123456789ab",
        restore_version=9_999_999,
        before=DrsFields(
            launch_disposition=LaunchDisposition.STARTED,
            copy_private_ip=False,
            post_launch_enabled=False,
            recovery_mode=RecoveryMode.OPTIMAL,
        ),
        during=DrsFields(
            launch_disposition=LaunchDisposition.STOPPED,
            copy_private_ip=True,
            post_launch_enabled=True,
            recovery_mode=RecoveryMode.FAST,
        ),
    )
    assert len(longest.description) <= MAX_DESCRIPTION
    assert DrillVersion.of(longest.description) == longest


@given(
    st.from_regex(r"[A-Za-z0-9._-]{1,64}-[0-9a-f]{12}", fullmatch=True),
    st.integers(1, 9_999_999),
    BOOLEANS,
    BOOLEANS,
    st.sampled_from(LaunchDisposition) | st.none(),
)
def test_what_is_written_is_read(
    execution_id: str,
    restore: int,
    copy: bool | None,
    actions: bool | None,
    disposition: LaunchDisposition | None,
) -> None:
    settings = DrsFields(
        copy_private_ip=copy, post_launch_enabled=actions, launch_disposition=disposition
    )
    written = drill(
        execution_id=execution_id, restore_version=restore, before=settings, during=settings
    )
    assert DrillVersion.of(written.description) == written
    assert is_drills(written.description)


@pytest.mark.parametrize(
    "description",
    [
        "DRILL",
        "DRILL crm-0123456789ab: restore version three",
        "DRILL crm-0123456789ab: restore version 3",
        f"DRILL crm-0123456789ab: restore version 3; {SERVER}; lease 0123456789ab; colour=red>blue",
        f"DRILL crm-0123456789ab: restore version 3; {SERVER}; lease 0123456789ab; copyIp=0x>4",
        f"DRILL crm-0123456789ab: restore version 3; {SERVER}; lease 0123456789ab and more",
        f"drill crm-0123456789ab: restore version 3; {SERVER}; lease 0123456789ab",
        "",
    ],
)
def test_nothing_else_is_read_as_a_drills(description: str) -> None:
    assert DrillVersion.of(description) is None


def test_a_template_is_switched_only_from_the_version_that_is_restored_later() -> None:
    assert before_switch(LEASE, EARLIER).action is TemplateAction.SWITCH
    assert before_switch(LEASE, OURS).action is TemplateAction.NOTHING
    theirs = before_switch(LEASE, THEIRS)
    assert theirs.action is TemplateAction.WAIT
    assert "drill erp-0123456789ab has the launch template" in theirs.reason
    edited = before_switch(LEASE, EDITED)
    assert edited.action is TemplateAction.WAIT
    assert "version 6" in edited.reason


def test_only_the_drills_own_version_is_replaced_when_a_template_is_restored() -> None:
    assert when_restoring(drill(), OURS).action is TemplateAction.RESTORE
    assert when_restoring(drill(), EARLIER).action is TemplateAction.NOTHING
    assert when_restoring(drill(), THEIRS).action is TemplateAction.NOTHING
    edited = when_restoring(drill(), EDITED)
    assert edited.action is TemplateAction.REPORT
    assert "version 6" in edited.reason
    assert "version 3" in edited.reason


def test_ahead_of_a_recovery_no_default_in_a_drills_network_is_left() -> None:
    subnets = frozenset([DRILL_SUBNET])
    copied = version(6, "a copy of the drill's", subnet_id=DRILL_SUBNET)
    assert when_restoring(drill(), copied).action is TemplateAction.REPORT
    ahead = when_restoring(drill(), copied, drill_subnets=subnets)
    assert ahead.action is TemplateAction.RESTORE
    elsewhere = version(6, subnet_id="subnet-00000000")
    left = when_restoring(drill(), elsewhere, drill_subnets=subnets)
    assert left.action is TemplateAction.REPORT


def test_who_holds_a_template_is_named() -> None:
    assert held_by(EARLIER) is None
    assert "crm-0123456789ab" in str(held_by(OURS))
    assert "cannot be read" in str(held_by(version(4, "DRILL what?")))
