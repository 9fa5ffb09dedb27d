"""The tables of the measurements, with the medians of all runs of a load."""

import math
from collections.abc import Mapping, Sequence
from statistics import median, quantiles

from rich.table import Table

from bench.display import figures_table
from bench.speed.baselines import CUTOFF, Baseline
from bench.speed.measurement import Run
from workflows.launcher.workflow import LauncherWorkflow
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.wave.workflow import WaveWorkflow

Runs = Mapping[str, Sequence[Run]]

_PARTS = {
    "plan": RecoveryPlanWorkflow.__name__,
    "wave": WaveWorkflow.__name__,
    "launcher": LauncherWorkflow.__name__,
}


def drs_waves_table(runs: Runs) -> Table:
    """The makespans, lags, jobs and polls of drs-waves."""
    table = figures_table(
        "drs-waves, medians",
        "", "runs", "speed", "events", "limit s", "as run", "real", "lag s", "p95", "jobs",
        "polls/interval", "refused",
    )  # fmt: skip
    for name, each in runs.items():
        lags = [lag for run in each for lag in run.lags]
        table.add_row(
            name,
            str(len(each)),
            f"{each[0].speed:g}",
            "yes" if each[0].with_events else "no",
            f"{each[0].load.limit:.0f}",
            f"{median(run.ratio for run in each):.3f}",
            f"{median(run.real_ratio for run in each):.4f}",
            f"{median(lags):.2f}" if lags else "-",
            f"{_p95(lags):.2f}" if lags else "-",
            f"{median(run.jobs for run in each):.0f}",
            f"{median(run.polls_per_interval for run in each):.2f}",
            f"{sum(run.refusals for run in each)}",
        )
    return table


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def cost_table(runs: Runs) -> Table:
    """The events and actions of Temporal."""
    table = figures_table(
        "Temporal: events and billable actions per wave",
        *("", *_PARTS, "all events", "all actions"),
        caption="Without heartbeats and queries, which are not in histories.",
    )
    for name, each in runs.items():
        cells = []
        for kind in _PARTS.values():
            events = median(run.cost.events[kind] / run.load.waves for run in each)
            actions = median(run.cost.actions[kind] / run.load.waves for run in each)
            cells.append(f"{events:.1f} / {actions:.1f}")
        events = median(run.cost.events.total() / run.load.waves for run in each)
        actions = median(run.cost.actions.total() / run.load.waves for run in each)
        table.add_row(name, *cells, f"{events:.1f}", f"{actions:.1f}")
    return table


def causes_table(runs: Runs) -> Table:
    """The events of Temporal by what causes them, of all waves."""
    table = figures_table("Temporal: events per wave by cause", "", *runs)
    keys = {key for each in runs.values() for run in each for key in run.cost.causes}
    rows = []
    for kind, cause in keys:
        medians = [
            median(run.cost.causes[kind, cause] / run.load.waves for run in each)
            for each in runs.values()
        ]
        part = next((name for name, each in _PARTS.items() if each == kind), kind)
        rows.append((part, -sum(medians), cause, medians))
    for part, _, cause, medians in sorted(rows):
        table.add_row(f"{part}: {cause}", *(f"{each:.1f}" for each in medians))
    return table


def worker_table(runs: Runs) -> Table:
    """The resources of the worker, of the loads that ran alone."""
    table = figures_table(
        "The worker, and the longest history",
        *("", "cpu s", "cores at real time", "peak MB", "plan events", "longest task s"),
    )
    for name, each in runs.items():
        if len(each[0].load.plans) == 1 and each[0].load.waves < 1000:
            # It ran concurrently with others.
            continue
        cpu = median(run.cpu_seconds for run in each)
        table.add_row(
            name,
            f"{cpu:.1f}",
            f"{cpu / median(run.wall_seconds * run.speed for run in each):.3f}",
            f"{max(run.peak_mb for run in each):.0f}",
            f"{max(run.longest_plan_events for run in each)}",
            f"{max(run.cost.longest_task for run in each):.2f}",
        )
    return table


def makespans(runs: Runs, baselines: Sequence[Baseline]) -> dict[str, dict[str, float]]:
    """Makespan divided by the limit at real durations, by load and launch method."""
    found = {name: {"drs-waves": median(r.real_ratio for r in each)} for name, each in runs.items()}
    for baseline in baselines:
        found[baseline.load.name][baseline.method.name] = baseline.ratio
    return found


def comparison_table(compared: Mapping[str, Mapping[str, float]], refused: int) -> Table:
    """The makespans of drs-waves and the baselines."""
    names = ("drs-waves", "levels", "AWS recovery plans", "list order", "sequential")
    table = figures_table(
        "Makespan / limit (1 is the limit of the graph and the quotas)",
        *("", *names),
        caption=f"DRS rejected {refused} calls of the baselines (quotas, servers in jobs).",
    )
    for load, ratios in compared.items():
        table.add_row(load, *(_ratio_text(ratios.get(name)) for name in names))
    return table


def _ratio_text(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"> {CUTOFF:g}" if ratio == math.inf else f"{ratio:.2f}"
