"""Text that fonts can draw."""

import re

_HALVES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text with the usual sign in the place of half a character (a lone surrogate)."""
    return _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)
