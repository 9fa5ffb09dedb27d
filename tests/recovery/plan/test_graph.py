"""The wave graph, on random graphs and on the largest ones."""

import pytest
from hypothesis import given

from recovery.plan.graph import CriticalPath, WaveGraph
from tests.recovery.plans import any_dependency_maps, dependency_maps

DIAMOND = {"web": ["app1", "app2"], "app2": ["db"], "app1": ["db"], "db": []}


def durations_of(dependencies: dict[str, list[str]]) -> dict[str, float]:
    """Return a duration in whole seconds for each wave, the same in any order of the file."""
    return {wave: float(7 * int(wave[1:]) % 11) for wave in dependencies}


def reversed_file(dependencies: dict[str, list[str]]) -> WaveGraph:
    return WaveGraph(dict(reversed(dependencies.items())))


@given(dependency_maps())
def test_no_wave_comes_before_its_dependencies_and_each_comes_once(
    dependencies: dict[str, list[str]],
) -> None:
    order = WaveGraph(dependencies).order()
    assert sorted(order) == sorted(dependencies)
    for wave, needed in dependencies.items():
        assert all(order.index(each) < order.index(wave) for each in needed)


@given(dependency_maps())
def test_the_order_of_the_file_changes_no_time_and_no_relation(
    dependencies: dict[str, list[str]],
) -> None:
    graph, other = WaveGraph(dependencies), reversed_file(dependencies)
    durations = durations_of(dependencies)
    assert graph.schedule(durations) == other.schedule(durations)
    assert graph.remaining(durations) == other.remaining(durations)
    assert graph.critical_path(durations) == other.critical_path(durations)
    assert [set(level) for level in graph.levels()] == [set(level) for level in other.levels()]
    for wave in dependencies:
        assert set(graph.downstream_of(wave)) == set(other.downstream_of(wave))
        assert set(graph.dependents_of(wave)) == set(other.dependents_of(wave))


@given(dependency_maps())
def test_the_critical_path_is_a_chain_that_ends_with_the_plan(
    dependencies: dict[str, list[str]],
) -> None:
    graph, durations = WaveGraph(dependencies), durations_of(dependencies)
    path = graph.critical_path(durations)
    schedule = graph.schedule(durations)
    assert path.seconds == max((end for _, end in schedule.values()), default=0.0)
    assert path.seconds == sum(durations[wave] for wave in path.waves)
    for earlier, later in zip(path.waves, path.waves[1:], strict=False):
        assert earlier in graph.dependencies_of(later)
        assert schedule[later][0] == schedule[earlier][1]


@given(dependency_maps())
def test_a_wave_is_scheduled_when_its_slowest_dependency_ends(
    dependencies: dict[str, list[str]],
) -> None:
    durations = durations_of(dependencies)
    schedule = WaveGraph(dependencies).schedule(durations)
    for wave, (start, end) in schedule.items():
        assert start == max((schedule[each][1] for each in dependencies[wave]), default=0.0)
        assert end - start == durations[wave]


@given(dependency_maps())
def test_downstream_waves_are_those_that_wait_directly_or_not(
    dependencies: dict[str, list[str]],
) -> None:
    graph = WaveGraph(dependencies)
    for wave in dependencies:
        downstream = graph.downstream_of(wave)
        expected = {
            other
            for other, needed in dependencies.items()
            if wave in needed or any(each in downstream for each in needed)
        }
        assert set(downstream) == expected
        assert wave not in downstream
        assert list(downstream) == [each for each in graph.order() if each in expected]


@given(any_dependency_maps())
def test_cycles_are_found_if_there_are_any_and_are_cycles(
    dependencies: dict[str, list[str]],
) -> None:
    graph = WaveGraph(dependencies)
    cycles = graph.cycles()
    place = {wave: number for number, wave in enumerate(dependencies)}
    for cycle in cycles:
        assert len(set(cycle)) == len(cycle)
        assert min(cycle, key=place.__getitem__) == cycle[0]
        for wave, needed in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert needed in dependencies[wave]
    assert list(cycles) == sorted(cycles, key=lambda cycle: place[cycle[0]])
    in_cycles = [wave for cycle in cycles for wave in cycle]
    assert len(set(in_cycles)) == len(in_cycles), "a knot of waves is reported once"
    if cycles:
        with pytest.raises(ValueError, match="wait for each other"):
            graph.order()
    else:
        assert len(graph.order()) == len(dependencies)


def test_in_a_diamond_web_waits_for_both_application_waves() -> None:
    graph = WaveGraph(DIAMOND)
    assert graph.levels() == (("db",), ("app2", "app1"), ("web",))
    assert graph.downstream_of("db") == ("app2", "app1", "web")
    assert graph.dependents_of("app1") == ("web",)


def test_in_a_diamond_the_slower_application_wave_is_critical() -> None:
    durations = {"db": 300.0, "app1": 600.0, "app2": 900.0, "web": 60.0}
    assert WaveGraph(DIAMOND).critical_path(durations) == CriticalPath(("db", "app2", "web"), 1260)
    assert WaveGraph(DIAMOND).remaining(durations)["app1"] == 660


def test_a_repeated_dependency_counts_once() -> None:
    graph = WaveGraph({"db": [], "app": ["db", "db"]})
    assert graph.dependencies_of("app") == ("db",)
    assert graph.order() == ("db", "app")


def test_a_dependency_that_is_no_wave_is_refused() -> None:
    with pytest.raises(ValueError, match="app depends on bd"):
        WaveGraph({"db": [], "app": ["bd"]})


def test_a_plan_without_waves_has_an_empty_graph() -> None:
    graph = WaveGraph({})
    assert graph.order() == ()
    assert graph.levels() == ()
    assert graph.cycles() == ()
    assert graph.critical_path({}) == CriticalPath((), 0.0)


def test_two_separate_cycles_are_both_reported() -> None:
    graph = WaveGraph({"a": ["b"], "b": ["a"], "c": ["a"], "d": ["e"], "e": ["f"], "f": ["d"]})
    assert graph.cycles() == (("a", "b"), ("d", "e", "f"))


@pytest.mark.parametrize("shape", ["chain", "backward chain", "ring", "layers"])
def test_a_thousand_waves_of_any_shape(shape: str) -> None:
    names = [f"w{number}" for number in range(1000)]
    chain = {name: names[number - 1 : number] for number, name in enumerate(names)}
    dependencies = {
        "chain": chain,
        "backward chain": dict(reversed(chain.items())),
        "ring": {name: [names[number - 1]] for number, name in enumerate(names)},
        "layers": {
            name: names[number // 10 * 10 - 10 : number // 10 * 10] if number >= 10 else []
            for number, name in enumerate(names)
        },
    }[shape]
    graph = WaveGraph(dependencies)
    cycles = graph.cycles()
    if shape == "ring":
        assert len(cycles[0]) == 1000
    else:
        assert cycles == ()
        durations = dict.fromkeys(names, 60.0)
        length = 100 if shape == "layers" else 1000
        assert graph.critical_path(durations).seconds == length * 60
        assert len(graph.levels()) == length
        assert len(graph.downstream_of("w0")) == (990 if shape == "layers" else 999)
        assert max(end for _, end in graph.schedule(durations).values()) == length * 60
