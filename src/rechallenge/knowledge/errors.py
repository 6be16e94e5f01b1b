"""What can go wrong with knowledge tables; every text is a sentence that says what to do.

Tree::

    KnowledgeError              base, a RechallengeError
    ├── UnknownResource         no resource of that name in the catalogue
    ├── NotInstalled            a fetchable resource that is not on this machine
    ├── DownloadError           no network, not found, broken off, disk full
    ├── ChecksumError           the file is not the one that was expected
    └── FormatError             the file is damaged, a web page, or its columns have changed
"""

from __future__ import annotations

from rechallenge.faults import RechallengeError


class KnowledgeError(RechallengeError):
    """Something about a knowledge table that the user can mend."""


class UnknownResource(KnowledgeError):
    """No resource of this name in the catalogue."""


class NotInstalled(KnowledgeError):
    """The resource is known but not on this machine."""


class DownloadError(KnowledgeError):
    """A file could not be had. `not_found` is True where the server answered that it does not exist."""

    def __init__(self, text: str, *, not_found: bool = False):
        super().__init__(text)
        self.not_found = not_found


class ChecksumError(KnowledgeError):
    """The file differs from the one that was expected."""


class FormatError(KnowledgeError):
    """The content is not what the parser knows; `missing` names columns that are not there."""

    def __init__(self, text: str, *, missing: tuple[str, ...] = ()):
        super().__init__(text)
        self.missing = missing
