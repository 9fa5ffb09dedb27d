"""How much memory a worker's threads keep."""

import subprocess
import sys

import pytest

from runtime import worker
from runtime.memory import MOST_ARENAS

# Each thread allocates while all others hold what they have.
_COUNT_HEAPS = """
import ctypes, threading
from runtime.memory import limit_arenas

{call}
meeting = threading.Barrier(20)

def work():
    block = bytearray(50_000)
    meeting.wait()

threads = [threading.Thread(target=work) for _ in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w")))
libc.fflush(None)
"""


def heaps(call: str) -> int:
    script = [sys.executable, "-c", _COUNT_HEAPS.format(call=call)]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout.count("<heap")


@pytest.mark.skipif(sys.platform != "linux", reason="the heaps are glibc's")
def test_the_threads_of_a_worker_share_few_heaps() -> None:
    assert heaps("") > MOST_ARENAS
    assert heaps("limit_arenas()") <= MOST_ARENAS


async def test_a_worker_limits_its_memory_before_it_does_anything_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class CalledError(Exception):
        pass

    called: list[str] = []

    def collect() -> None:
        raise CalledError

    monkeypatch.setattr(worker, "limit_arenas", lambda: called.append("limit_arenas"))
    monkeypatch.setattr(worker, "collect_rarely", collect)
    with pytest.raises(CalledError):
        await worker.run_worker()
    assert called == ["limit_arenas"]
