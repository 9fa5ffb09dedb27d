"""What Temporal's Web UI shows of a plan and of a wave with steps."""

from tests.cli.executions import wave
from tests.cli.step_executions import INSTRUCTION, running_steps, step, waiting_step
from workflows.plan.details import plan_details
from workflows.wave.details import wave_details


def test_a_wave_lists_its_servers_and_its_steps_with_evidence_outputs_and_links() -> None:
    state = running_steps()
    step(state, "promote").reason = "a | b\nc"
    step(state, "reachable").outputs = {"Endpoint": "db.example.com"}
    text = wave_details(wave(state, "Database"))
    assert "| s-00000000000000000 | LAUNCHED | YES |  |  |  |" in text
    assert "| reachable | Tcp | SUCCEEDED | 2 servers accepted, in 3 ms | Endpoint = db" in text
    assert (
        "| promote | SsmAutomation | RUNNING | attempt 2; a \\| b c |  "
        "| https://console.aws.amazon.com/ssm/a-1 |"
    ) in text
    assert "| dns | Lambda | NOT_TESTED | it runs in a RECOVERY only |" in text


def test_a_manual_step_that_waits_has_its_instruction() -> None:
    text = wave_details(wave(waiting_step(), "Cutover"))
    assert text.startswith("**Cutover: IN_PROGRESS** step confirm waits for an operator")
    assert INSTRUCTION in text
    assert "- Ticket (TEXT): the change request" in text


def test_a_plan_says_how_many_steps_of_a_wave_succeeded() -> None:
    text = plan_details(waiting_step())
    assert "| Database | COMPLETED | 2/2, 2/2 steps, 1 NOT_TESTED |" in text
    assert "| Cutover | IN_PROGRESS | 0/2 steps |" in text
