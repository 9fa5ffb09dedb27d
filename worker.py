"""The worker: one process that serves the task queues, with workflows and activities wired."""

import asyncio
import sys
from functools import partial
from typing import NoReturn

from runtime.exit import ExitCode, exit_process, report
from runtime.output_stream import protect_streams
from runtime.worker import run_worker


def main() -> NoReturn:
    """Run the worker as a process of its own."""
    protect_streams()
    code = ExitCode.COMPLETED
    try:
        asyncio.run(run_worker())
    except Exception as error:
        code = report(error, partial(print, file=sys.stderr))
    exit_process(code)


if __name__ == "__main__":
    main()
