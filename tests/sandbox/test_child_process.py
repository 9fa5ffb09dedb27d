"""A child process ends with its parent, even if the parent is killed."""

import subprocess
import sys

import psutil
import pytest

from sandbox.child_process import ending_with_parent

PARENT = """
import subprocess, sys, time
from sandbox.child_process import ending_with_parent
child = subprocess.Popen(ending_with_parent([sys.executable, "-c", "import time; time.sleep(300)"]))
print(child.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent death signal")
def test_a_child_process_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    _, left = psutil.wait_procs([child], timeout=60)
    assert left == []


def test_a_child_process_keeps_its_arguments_and_its_exit_code() -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(3)", "--x", "y z"]
    ended = subprocess.run(ending_with_parent(command), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "['--x', 'y z']\n")
