"""Asks OSV for known vulnerabilities of what requirements.lock pins (`make audit`).

Exit codes: 0 none is known, 1 some are, 5 nothing is known, because OSV did not answer for all.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from runtime.exit import ExitCode

_LOCK = Path(__file__).parents[1] / "requirements.lock"
_OSV_URL = "https://api.osv.dev/v1/query"
# pip-audit has no other file than requirements, so it needs no index, and builds nothing.
_PIP_AUDIT = ("-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off")


class Vulnerability(BaseModel):
    """A known vulnerability."""

    id: str
    fix_versions: list[str]


class Package(BaseModel):
    """A package and what is known of it; an entry without a version was not looked at."""

    name: str
    version: str
    vulns: list[Vulnerability]


class Audit(BaseModel):
    """What pip-audit writes."""

    dependencies: list[Package]


def audit(osv_url: str, lock: Path = _LOCK) -> tuple[ExitCode, list[str]]:
    """Audit a lock; the exit code, and what to print."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "audit.json"
        source = ("--vulnerability-service", "osv", "--osv-url", osv_url)
        output = ("--format", "json", "--output", str(answer))
        run = subprocess.run(
            [sys.executable, *_PIP_AUDIT, *source, *output, "--requirement", str(lock)],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            found = Audit.model_validate_json(answer.read_bytes()).dependencies
        except (FileNotFoundError, ValidationError):
            said = run.stderr.strip().splitlines() or [f"pip-audit ended with {run.returncode}"]
            return ExitCode.UNREACHABLE, [
                f"NOT AUDITED: {osv_url} did not answer for every package, so nothing is known.",
                said[-1],
                "Run it where that address can be reached, or set OSV_URL to a mirror of it.",
            ]
    lines = [
        f"{package.name} {package.version}: {each.id}, "
        + (f"fixed in {', '.join(each.fix_versions)}" if each.fix_versions else "no fix is known")
        for package in found
        for each in package.vulns
    ]
    if lines:
        return ExitCode.FAILED, lines
    text = f"{osv_url} knows no vulnerability of the {len(found)} packages of {lock.name}."
    return ExitCode.COMPLETED, [text]


def main(osv_url: Annotated[str, typer.Option(help="OSV, or a mirror of it.")] = _OSV_URL) -> None:
    """Audit what requirements.lock pins."""
    code, lines = audit(osv_url)
    print(*lines, sep="\n", file=sys.stdout if code is ExitCode.COMPLETED else sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
