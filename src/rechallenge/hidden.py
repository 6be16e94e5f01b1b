"""Characters that hide or turn what a text says: controls other than tab and line end, and the marks that override the
direction of reading (Unicode Bidirectional Algorithm, UAX 9: embeddings, overrides and isolates). A name may hold them
by accident or to deceive; XML and so SVG cannot hold the controls at all. Tables keep them, what is shown does not.
"""

from __future__ import annotations

import re

CHARACTERS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff"
_PATTERN = re.compile(f"[{CHARACTERS}]")


def without(text: str) -> str:
    """The text without them; line ends are LF.

    >>> without("AKR\\x001B1\\u202e"), without("a\\r\\nb")
    ('AKR1B1', 'a\\nb')
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _PATTERN.sub("", text)


def spelled(text: str) -> str:
    """The text with each of them written as its escape, for a terminal that would obey it.

    >>> spelled("\\x1b[2J")
    '\\\\x1b[2J'
    """
    return _PATTERN.sub(lambda m: m[0].encode("unicode_escape").decode(), text)
