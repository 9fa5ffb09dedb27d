"""The chart of the comparison."""

from collections.abc import Mapping
from pathlib import Path

import pygal
from pygal.style import Style

from bench.speed.baselines import CUTOFF

_COLORS = {
    "drs-waves": "#0072b2",
    "levels": "#009e73",
    "AWS recovery plans": "#56b4e9",
    "list order": "#e69f00",
    "sequential": "#cc79a7",
}


def write_chart(compared: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Write a bar chart as SVG.

    Args:
        compared: makespan / limit, by load and launch method.
        path: the output file.
    """
    style = Style(colors=tuple(_COLORS.values()), background="#ffffff", plot_background="#ffffff")
    chart = pygal.HorizontalBar(
        style=style,
        js=[],
        width=900,
        height=90 + 90 * len(compared),
        title="Makespan / limit of graph and quotas (1 is the limit)",
        print_values=True,
        value_formatter=lambda value: f"{value:.2f}" if value < CUTOFF else f"> {CUTOFF:g}",
        legend_at_bottom=True,
        truncate_label=40,
        range=(0, CUTOFF),
    )
    loads = list(compared)[::-1]
    chart.x_labels = loads
    for name in _COLORS:
        ratios = [compared[load].get(name) for load in loads]
        chart.add(name, [None if ratio is None else min(ratio, CUTOFF) for ratio in ratios])
    chart.render_to_file(str(path))
