"""Reads an allow-list, YAML or JSON, or raises all its problems."""

from pathlib import Path

from recovery.access.allow_list import AllowList, AllowListFile
from recovery.model_file import parse_model, read_model

_WHAT = "the allow-list"


def read_allow_list(file: Path) -> AllowList:
    """Read the file of an allow-list.

    Raises:
        ModelFileError: it cannot be read, or is not valid; with all problems.
    """
    return _listed(read_model(file, AllowListFile, what=_WHAT), str(file))


def parse_allow_list(text: str, *, source: str) -> AllowList:
    """Check the text of an allow-list.

    Args:
        text: YAML or JSON.
        source: the file or setting that it is from.

    Raises:
        ModelFileError: it is not valid; with all problems.
    """
    return _listed(parse_model(text, AllowListFile, source=source, what=_WHAT), source)


def _listed(file: AllowListFile, source: str) -> AllowList:
    return AllowList(file.targets, source, file.resources)
