"""Reads the file of an installation's channels, YAML or JSON, or raises all its problems."""

from pathlib import Path

from recovery.model_file import parse_model, read_model
from recovery.notify.channels import Channel, NotifyFile

_WHAT = "the file of channels"


def read_notify_file(file: Path) -> list[Channel]:
    """Read the channels of an installation.

    Raises:
        ModelFileError: the file cannot be read, or is not valid; with all problems.
    """
    return read_model(file, NotifyFile, what=_WHAT).channels


def parse_notify_file(text: str, *, source: str) -> list[Channel]:
    """Check the text of such a file.

    Args:
        text: YAML or JSON.
        source: the file or setting that it is from.

    Raises:
        ModelFileError: it is not valid; with all problems.
    """
    return parse_model(text, NotifyFile, source=source, what=_WHAT).channels
