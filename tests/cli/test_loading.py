"""What a command loads before it does anything, for which its user waits."""

import subprocess
import sys

SCRIPT = "import sys, starter; print(*{'moto', 'uvicorn', 'fastapi', 'keyring'} & set(sys.modules))"


def test_what_only_some_commands_need_is_not_loaded_for_all() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
