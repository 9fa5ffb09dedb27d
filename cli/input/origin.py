"""Where plan files come from: options, the variables of a pipeline, git."""

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from client.local_user import whoami
from recovery.plan.registration import PlanOrigin, source_of

_GIT_SECONDS = 10.0
# Of GitHub, GitLab, Jenkins, Bitbucket, Azure Pipelines, CodeBuild and CircleCI.
_COMMIT_VARIABLES = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "GIT_COMMIT",
    "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "CIRCLE_SHA1",
)
_AUTHOR_VARIABLES = (
    "CI_COMMIT_AUTHOR",
    "GIT_AUTHOR_EMAIL",
    "BUILD_SOURCEVERSIONAUTHOR",
    "GITHUB_ACTOR",
    "CIRCLE_USERNAME",
)

Author = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The author of the commit. Default: from git, or a variable of the pipeline.",
    ),
]
Commit = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="The commit. Default: from a variable of the pipeline, or git."
    ),
]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="With --sync: the directory's name, the same each time. Default: its git remote "
        "and path; without git, host and path.",
    ),
]


def origin_of(directory: Path, author: str | None, commit: str | None) -> PlanOrigin:
    """The commit of a directory and its author; what is not known is left out."""
    commit = commit or _first_of(_COMMIT_VARIABLES)
    # With "-dirty" after it, if files differ from the commit.
    commit = commit or _git(
        directory, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    )
    if author is None and commit is not None:
        of_commit = ("log", "-1", "--format=%ae", commit.removesuffix("-dirty"), "--")
        author = _git(directory, *of_commit) or _first_of(_AUTHOR_VARIABLES)
    return PlanOrigin(commit=commit, commit_author=author)


def directory_name(directory: Path) -> str:
    """The name of a directory of plans, the same for each clone of its repository."""
    remote, path = _git(directory, "remote", "get-url", "origin"), None
    if remote:
        path = _git(directory, "rev-parse", "--show-prefix", empty=True)
    if remote and path is not None:
        return source_of(remote, path)
    return f"{whoami().partition('@')[2]}:{directory.resolve()}"


def _first_of(variables: tuple[str, ...]) -> str | None:
    return next((value for each in variables if (value := os.environ.get(each))), None)


def _git(directory: Path, *words: str, empty: bool = False) -> str | None:
    """What git prints; None if it fails, is missing, or prints nothing, unless it may."""
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *words],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    found = done.stdout.strip()
    return found if found or empty else None
