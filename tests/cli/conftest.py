"""Every command that a test of this folder runs with `--json` prints what is documented."""

from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.cli.json_outputs import check_result

_invoke = CliRunner.invoke


@pytest.fixture(autouse=True)
def _documented_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(self: CliRunner, app: Any, args: Any = None, **more: Any) -> Result:
        result = _invoke(self, app, args, **more)
        words = [str(word) for word in args] if isinstance(args, list | tuple) else []
        check_result(words, result.stdout)
        return result

    monkeypatch.setattr(CliRunner, "invoke", invoke)
