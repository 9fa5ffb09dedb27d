"""A real worker whose wall clock jumps two hours ahead on SIGUSR1, and as far back on SIGUSR2."""

import signal
import time

JUMP_SECONDS = 7200.0

_wall_clock = time.time
_jumped = 0.0


def _now() -> float:
    return _wall_clock() + _jumped


def _jump(seconds: float) -> None:
    global _jumped  # noqa: PLW0603
    _jumped = seconds


if __name__ == "__main__":
    time.time = _now
    signal.signal(signal.SIGUSR1, lambda *_: _jump(JUMP_SECONDS))
    signal.signal(signal.SIGUSR2, lambda *_: _jump(-JUMP_SECONDS))
    from worker import main

    main()
