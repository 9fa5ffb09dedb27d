"""A cut-over without servers, whose steps a person completes on the pages, by keyboard."""

import pytest

from client.start import start_execution
from recovery.execution.state import PlanStatus
from recovery.plan.model import Wave
from recovery.steps.model import Step
from recovery.steps.state import StepStatus
from tests.end_to_end.conftest import E2eEnvironment, wave_of
from tests.end_to_end.pages.conftest import Open, Tab
from tests.end_to_end.pages.test_steering import assert_accessible, has_focus, tab_to
from tests.shared_servers import REGION

_HOSTILE = "<img src=x onerror=alert(1)>"
_INSTRUCTION = f"""\
# Move the traffic

1. Open the **load balancer**, see [the runbook](https://wiki.example.com/cutover).
2. {_HOSTILE} <script>alert(2)</script> [here](javascript:alert(3))
   ![pixel](https://evil.example.com/pixel.png)
"""
_STEPS = [
    {
        "StepId": "confirm",
        "When": "BOTH",
        "Manual": {
            "Instruction": _INSTRUCTION,
            "Inputs": [
                {"Name": "Ticket", "Description": _HOSTILE},
                {"Name": "Sessions", "Type": "NUMBER"},
                {"Name": "Told", "Type": "YES_OR_NO", "Required": False},
            ],
        },
    },
    {"StepId": "announce", "When": "BOTH", "Manual": {"Instruction": "Say *that it is up*."}},
    {"StepId": "dns", "When": "RECOVERY", "Lambda": {"FunctionName": "move"}},
]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="desk"),
        pytest.param({"phone": True, "dark": True}, marks=pytest.mark.slow, id="phone"),
    ],
)
async def test_a_person_completes_the_steps_of_a_wave_without_servers(
    env: E2eEnvironment, served: str, open_page: Open, how: dict[str, bool]
) -> None:
    cutover = Wave(
        wave_id="cutover",
        wave_name=f"Cut-over {_HOSTILE}",
        servers=[],
        region=REGION,
        steps=[
            # At the speed of the tests, hours are seconds.
            Step.model_validate({"DecisionSeconds": 600_000, **each})
            for each in _STEPS
        ],
    )
    plan = env.plan(cutover, deadline_seconds=600_000.0)
    execution_id = await start_execution(env.client, plan)
    tab = await open_page(f"{served}/executions/{execution_id}#cutover", **how)
    page = tab.page
    await tab.sees("#attention", "waits for step confirm")
    await tab.sees("#attention .instruction strong", "load balancer")
    await tab.sees("#attention .instruction", "<script>alert(2)</script> [here](javascript:")
    await tab.sees("#panel", "0/2 steps, 1 NOT_TESTED")
    await tab.shows("cutover", "waits for an operator")
    assert await tab.is_as_wide_as_its_window()
    await assert_accessible(tab)

    await tab_to(tab, '#attention [data-ask="complete_step"]')
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "Step confirm counts as done, step announce is next.")
    assert await has_focus(tab, 'input[name="input:Ticket"]')
    await assert_accessible(tab)
    assert await tab.is_as_wide_as_its_window()
    await page.keyboard.type("CHG-7")
    await page.keyboard.press("Tab")
    await page.keyboard.type("many")
    await page.keyboard.press("Enter")
    await tab.sees("#dialog-outcome", "NOT DONE")
    await tab.sees("#dialog-outcome", "Sessions must be a number")
    # The browser notes the refused request.
    tab.console_errors.clear()
    # What was typed is still there, also after the dialog was closed.
    await page.keyboard.press("Escape")
    assert await has_focus(tab, '[data-ask="complete_step"]')
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "counts as done")
    assert await page.get_by_label("Ticket").input_value() == "CHG-7"
    await page.get_by_label("Sessions").fill("12")
    await page.get_by_label("Told").select_option("Yes")
    await page.get_by_label("Reason").fill(_HOSTILE)
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "Accepted")
    await page.keyboard.press("Escape")
    await tab.sees("#panel", _HOSTILE)
    await tab.sees("#panel .outputs", "CHG-7")

    await complete_on_the_page_of_decisions(tab, served, execution_id)
    state = await env.end(plan, execution_id)
    assert state.status is PlanStatus.COMPLETED, state.status_reason
    confirm, announce, dns = wave_of(state, cutover.wave_name).steps
    assert confirm.outputs == {"Ticket": "CHG-7", "Sessions": 12, "Told": True}
    assert announce.actor
    assert dns.status is StepStatus.NOT_TESTED
    await page.goto(f"{served}/executions/{execution_id}#cutover")
    await tab.shows("cutover", "COMPLETED")
    await tab.sees("#panel", "2/2 steps, 1 NOT_TESTED")
    await assert_accessible(tab)


async def complete_on_the_page_of_decisions(tab: Tab, served: str, execution_id: str) -> None:
    """Complete the second step where all decisions are, after the overview has named it."""
    page = tab.page
    await page.goto(served)
    await tab.sees("#running", "waits for step announce (Manual)")
    await page.goto(f"{served}/decisions")
    own = f'#open li[data-key="{execution_id}/cutover/announce"]'
    await tab.sees(f"{own} em", "that it is up")
    assert await tab.is_as_wide_as_its_window()
    await assert_accessible(tab)
    await page.locator(own).get_by_role("button", name="Complete step announce").click()
    await page.get_by_role("button", name="Complete the step").click()
    await tab.sees("#dialog", "Accepted")
    await page.get_by_role("button", name="Close").click()
    await page.locator(own).wait_for(state="detached")
