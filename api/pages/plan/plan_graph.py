"""The waves of a plan as a graph and as a table, without an execution."""

from api.pages.execution.graph_layout import COMPACT, lay_out, sizes_for
from api.pages.rendering import render
from recovery.forecast.estimates import expected_durations
from recovery.plan.model import RecoveryPlan


def graph_of_plan(plan: RecoveryPlan) -> str:
    """Render the graph of the waves; heavy for a thousand of them."""
    dependencies = {wave.wave_id: wave.depends_on for wave in plan.waves}
    layout = lay_out(dependencies, sizes_for(len(plan.waves)))
    path = plan.graph.critical_path(expected_durations(plan, {}))
    return render(
        "plan_graph",
        plan=plan,
        names={wave.wave_id: wave.wave_name for wave in plan.waves},
        layout=layout,
        compact=layout.sizes is COMPACT,
        path=path,
    )


def waves_of(plan: RecoveryPlan) -> str:
    """Render the waves of a plan."""
    names = {wave.wave_id: wave.wave_name for wave in plan.waves}
    return render("plan_waves", plan=plan, names=names, graph=graph_of_plan(plan))
