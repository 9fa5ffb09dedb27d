"""What the drills are drawn from: the same seed draws the same, and all of it can be run."""

from collections import Counter

import pytest

from bench.chaos.script import ActKind, draw_script
from sandbox.scenario import Scenario

DRILLS = range(60)


def test_the_same_seed_draws_the_same_drill() -> None:
    assert draw_script("a", 7) == draw_script("a", 7)


def test_another_seed_or_another_number_draws_another_drill() -> None:
    drawn = [draw_script("a", 7), draw_script("a", 8), draw_script("b", 7)]
    assert drawn[0] != drawn[2]
    assert drawn[0].drawn.plan.model_dump(exclude={"plan_id"}) != drawn[1].drawn.plan.model_dump(
        exclude={"plan_id"}
    )


@pytest.mark.parametrize("drill", DRILLS)
def test_a_drawn_drill_can_be_run(drill: int) -> None:
    script = draw_script("a", drill)
    plan = script.drawn.plan
    plan.graph.order()
    assert 1 <= len(plan.waves) <= 8
    assert all(1 <= len(wave.servers) <= 4 for wave in plan.waves)
    scenario = {
        "SourceServers": script.drawn.source_servers,
        "Faults": [*script.holds, *script.faults],
    }
    Scenario.model_validate(scenario)
    assert script.reactions.keys() == {wave.wave_id for wave in plan.waves}


def test_no_two_drills_share_a_server_or_the_name_of_an_act() -> None:
    scripts = [draw_script("a", drill) for drill in DRILLS]
    servers = Counter(i for script in scripts for i in script.drawn.server_ids)
    acts = Counter(act.name for script in scripts for act in script.acts)
    assert max(servers.values()) == 1
    assert max(acts.values()) == 1


def test_every_kind_of_act_is_drawn() -> None:
    kinds = {act.kind for drill in range(300) for act in draw_script("a", drill).acts}
    assert kinds == set(ActKind)
