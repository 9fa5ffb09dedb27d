"""How many examples the property-based tests that drive real servers take."""

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))
"""`EXAMPLES_TIMES=20 pytest …` looks twenty times as long."""


def examples(count: int, *, shrink: bool = True) -> settings:
    """So many examples in a normal run, however long each takes.

    Args:
        count: how many.
        shrink: whether a failing one is made simpler, which takes many more of them.
    """
    phases = [phase for phase in Phase if shrink or phase not in (Phase.shrink, Phase.explain)]
    return settings(
        phases=phases,
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )
