"""Generated scripts depend on the seed only, and are valid scenarios."""

from collections import Counter
from typing import get_args

import pytest

from bench.chaos.customer import ABSENT_QUEUE, QUEUE, RARE_QUEUE
from bench.chaos.generation.script import ChaosActionKind, generate_script
from recovery.steps.model import StepKind, When
from recovery.steps.rules import problems_alone
from sandbox.drs.jobs.timeline import CleanUp
from sandbox.drs.servers.oddities import Oddity
from sandbox.drs.servers.source_servers import DeadSnapshot
from sandbox.scenario import Effect, Outcome, Scenario

DRILLS = range(60)


def test_the_same_seed_generates_the_same_drill() -> None:
    assert generate_script("a", 7) == generate_script("a", 7)


def test_another_seed_or_another_number_generates_another_drill() -> None:
    scripts = [generate_script("a", 7), generate_script("a", 8), generate_script("b", 7)]
    assert scripts[0] != scripts[2]
    plans = [script.plan.model_dump(exclude={"plan_id"}) for script in scripts]
    assert plans[0] != plans[1]


@pytest.mark.parametrize("drill", DRILLS)
def test_a_generated_drill_can_be_run(drill: int) -> None:
    script = generate_script("a", drill)
    plan = script.plan
    plan.graph.order()
    assert 1 <= len(plan.waves) <= 8
    assert all(len(wave.servers) <= 4 for wave in plan.waves)
    assert all(wave.servers or wave.steps for wave in plan.waves)
    scenario = {
        **script.scenario,
        "Faults": [*script.holds, *script.faults],
    }
    Scenario.model_validate(scenario)
    assert script.reactions.keys() == {wave.wave_id for wave in plan.waves}


@pytest.mark.parametrize("drill", DRILLS)
def test_a_generated_step_is_one_that_a_plan_file_may_have(drill: int) -> None:
    plan = generate_script("a", drill).plan
    for wave in plan.waves:
        for phase, step in wave.all_steps:
            assert not list(problems_alone(step, phase))


def test_every_kind_that_acts_is_generated() -> None:
    scripts = [generate_script("a", drill) for drill in DRILLS]
    steps = [s for each in scripts for wave in each.plan.waves for _, s in wave.all_steps]
    assert {step.kind for step in steps} >= {kind for kind in StepKind if kind.acts}
    assert {step.when for step in steps if step.kind.acts} == set(When)
    queues = {step.workflow.task_queue for step in steps if step.workflow}
    assert queues == {QUEUE, RARE_QUEUE, ABSENT_QUEUE}


def test_no_two_drills_share_a_server_or_the_name_of_an_action() -> None:
    scripts = [generate_script("a", drill) for drill in DRILLS]
    servers = Counter(
        i for script in scripts for wave in script.plan.waves for i in wave.server_ids
    )
    actions = Counter(action.name for script in scripts for action in script.actions)
    assert max(servers.values()) == 1
    assert max(actions.values()) == 1


def test_every_kind_of_action_is_generated() -> None:
    kinds = {action.kind for drill in range(300) for action in generate_script("a", drill).actions}
    assert kinds == set(ChaosActionKind)


def test_every_fault_and_oddity_of_the_local_aws_is_generated() -> None:
    scripts = [generate_script("a", drill) for drill in range(600)]
    faults = [fault for script in scripts for fault in [*script.holds, *script.faults]]
    assert {fault["Effect"] for fault in faults if "Effect" in fault} == set(Effect)
    servers = [server for script in scripts for server in script.scenario["SourceServers"]]
    assert {server.get("Oddity") for server in servers} == {None, *Oddity}
    assert {server.get("DeadSnapshot") for server in servers} == {None, *DeadSnapshot}
    assert {server.get("EarlierInstanceCleanUp") for server in servers} == {None, *CleanUp}
    assert {first for server in servers for first in server.get("Outcome", [])[:1]} == set(
        get_args(Outcome)
    )
