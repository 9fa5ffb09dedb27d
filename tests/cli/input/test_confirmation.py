"""What is asked for, and what is said where nobody can be asked."""

import io
from functools import partial

import pytest

from cli.input.confirmation import require_confirmation
from recovery.operator.confirmation import revert_refusal
from recovery.steps.replaced import RevertView
from runtime.exit import CliError

STEP = "cutover/dns"
RULE = partial(
    revert_refusal,
    RevertView(place="record shop", now="b", was="a", set_to="b"),
    STEP,
    is_forced=False,
)


def test_without_a_terminal_the_missing_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(CliError, match=r"no terminal to ask on\. Pass --confirm cutover/dns"):
        require_confirmation(RULE, STEP, None, what="put it back", name=STEP)
    with pytest.raises(CliError, match="'crm' is not the step, 'cutover/dns'"):
        require_confirmation(RULE, STEP, "crm", what="put it back", name=STEP)
    assert require_confirmation(RULE, STEP, STEP, what="put it back", name=STEP) == STEP
