"""Makes texts of others harmless in a message: names and reasons from plans, people and AWS."""

import re

from recovery.text_format import visible

# To programs that read markup, mentions and escapes, these are letters like any other.
_MARKUP = str.maketrans("<>[]*`~|\\&@#", "‹›()∗'∼¦∖＆＠＃")  # noqa: RUF001
# Underscores within a word are no markup, and names have them.
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# What phones and mail programs make a link of; an address of e-mail does no harm.
_SCHEME = re.compile(r":(?=//)")
_DOMAIN_DOT = re.compile(r"(?<=\w)\.(?=[A-Za-z]{2,}\b)")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+[,;:]?")


def plain(text: str, limit: int = 300) -> str:
    """One line without control characters, marks of direction, links and mentions.

    Args:
        text: from somebody else.
        limit: how many characters are kept.
    """
    words = visible(text[: 10 * limit]).split()
    line = " ".join(each if _EMAIL.fullmatch(each) else _as_text(each) for each in words)
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def without_markup(text: str, limit: int = 300) -> str:
    """The same without what chat programs read as markup, some of them also in plain text."""
    return _EMPHASIS.sub("＿", plain(text.translate(_MARKUP), limit))  # noqa: RUF001


def _as_text(word: str) -> str:
    word = word.replace("@", "＠")  # noqa: RUF001
    return _DOMAIN_DOT.sub("[.]", _SCHEME.sub("[:]", word))
