"""When a worker looks for garbage."""

import subprocess
import sys

# Some hundred plans with waves have as many objects.
_ADD_OBJECTS = """
import gc
from runtime.garbage import collect_rarely

before, _, all_before = [each["collections"] for each in gc.get_stats()]
collect_rarely()
objects = [[] for _ in range(600_000)]
after, _, all_after = [each["collections"] for each in gc.get_stats()]
print(after - before, all_after - all_before)
"""


def test_a_worker_looks_for_garbage_rarely_and_after_some_hundred_plans_in_all_objects() -> None:
    script = [sys.executable, "-c", _ADD_OBJECTS]
    printed = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    newest, everywhere = map(int, printed.split())
    assert newest <= 30
    assert everywhere == 1
