"""From the file names of a study to bytes: globs, places, limits and digests.

Nothing here looks inside a file. A path that is a folder, a pipe, a loop of links, too large or outside the
study folder becomes a fault before anything is opened, so that reading never blocks and never leaves the study.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from rechallenge import hidden
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import nearest

#: Larger files are refused: a table that a person has to check does not have this many bytes.
MAX_BYTES = 4 * 2**30

#: What a file's name cannot hold, since results cite files by name.
_UNCITABLE = set(";\t\n\u2028\u2029")
#: How many times a pattern may say `**`.
MAX_DEEP = 3

_GLOB = set("*?[")
#: What office programs and operating systems leave beside a file; never a table.
_LEFTOVERS = ("~$*", "._*", ".~lock.*", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True)
class Found:
    """A file that a study names: where it is, and its name relative to the study folder (with `/`)."""

    path: Path
    name: str


@dataclass(frozen=True)
class Content:
    """The bytes of a file and their digest."""

    name: str
    data: bytes
    sha256: str

    @property
    def record(self) -> tuple[str, int, str]:
        """(name, bytes, sha256), as `TableRead.files` lists it."""
        return self.name, len(self.data), self.sha256


def find(
    patterns: Iterable[str | Path], folder: Path | None, streamed: tuple[str, ...] = ()
) -> tuple[list[Found], list[Fault]]:
    """Resolve file names and globs, each file once, in the order named (globs sorted).

    `folder` is the study folder: names are relative to it and must stay inside it, links followed. With None,
    names are taken as they are, relative to the working directory. Files with an ending of `streamed` are read piece by
    piece and may be of any size.
    """
    found: list[Found] = []
    faults: list[Fault] = []
    seen: dict[Path, str] = {}
    for pattern in patterns:
        here, more = _resolve(str(pattern), folder)
        faults += more
        for one in here:
            try:
                real = _inspect(one, folder, streamed)
            except InputFaults as e:
                faults += e.faults
                continue
            if real in seen:
                faults.append(
                    Fault(
                        "named-twice",
                        f"the study names this file twice (also as {seen[real]}); it was read once."
                        if seen[real] != one.name
                        else "the study names this file twice; it was read once.",
                        "Remove one of the two.",
                        file=one.name,
                        severity="warning",
                    )
                )
                continue
            seen[real] = one.name
            found.append(one)
    return found, faults


def load(found: Found) -> Content:
    """Read a file whole. Raises InputFaults where it cannot be read or has no content."""
    try:
        data = found.path.read_bytes()
    except OSError as e:
        raise InputFaults([_unreadable(found.name, e)]) from None
    if not data:
        raise InputFaults(
            [
                Fault(
                    "empty-file",
                    "the file is empty (0 bytes).",
                    "Export it again; a copy that was cut off or a cloud file that was not downloaded looks like this.",
                    file=found.name,
                )
            ]
        )
    return Content(found.name, data, hashlib.sha256(data).hexdigest())


def _resolve(pattern: str, folder: Path | None) -> tuple[list[Found], list[Fault]]:
    """The paths that one name or glob stands for; not yet looked at."""

    def fault(code: str, message: str, remedy: str) -> tuple[list[Found], list[Fault]]:
        return [], [Fault(code, message, remedy, file=pattern)]

    if not pattern.strip():
        return fault("missing-file", "a file name is empty.", "Name the file, or remove the entry.")
    if "\0" in pattern:
        return fault("missing-file", "a file name cannot hold a NUL character.", "Write the file name again by hand.")
    if folder is not None and _leaves(pattern):
        return fault(
            "outside-study",
            "the file lies outside the study folder.",
            "Copy it into the study folder and name it from there.",
        )
    base = folder if folder is not None else Path()
    try:
        if os.path.lexists(base / pattern):
            return [Found(base / pattern, _name(pattern))], []
        if "\\" in pattern and os.path.lexists(base / pattern.replace("\\", "/")):
            slashed = pattern.replace("\\", "/")
            return [Found(base / slashed, _name(slashed))], []
        if _GLOB & set(pattern):
            pattern = re.sub(r"(?:\*\*/)+", "**/", pattern)
            if pattern.count("**") > MAX_DEEP:  # each of them walks through all folders below those of the one before
                return fault("no-match", f"a pattern has no more than {MAX_DEEP} times `**`.", "Make it simpler.")
            paths = _glob(base, pattern)
            if paths:
                return paths, []
            return fault(
                "no-match",
                "no file matches this pattern.",
                "Check the folder and the ending; `*` stands for any characters within a name.",
            )
        neighbours = [p.name for p in (base / pattern).parent.iterdir()]
    except (OSError, ValueError, NotImplementedError, RecursionError):
        neighbours = []
    hint = nearest(Path(pattern).name, neighbours)
    return fault("missing-file", "there is no such file.", f"Check the name, its ending and its folder.{hint}".strip())


def _glob(base: Path, pattern: str) -> list[Found]:
    at = Path(pattern)
    if at.is_absolute():
        base, pattern = Path(at.anchor), str(at.relative_to(at.anchor))
    paths = []
    for p in base.glob(pattern):
        if p.is_dir() or any(fnmatch.fnmatch(p.name, leftover) for leftover in _LEFTOVERS):
            continue
        paths.append(Found(p, p.as_posix() if at.is_absolute() else p.relative_to(base).as_posix()))
    return sorted(paths, key=lambda f: f.name)


def _leaves(pattern: str) -> bool:
    return (
        PurePosixPath(pattern).is_absolute()
        or bool(PureWindowsPath(pattern).anchor)
        or ".." in PurePosixPath(pattern.replace("\\", "/")).parts
        or pattern.startswith("~")
    )


def _name(pattern: str) -> str:
    return Path(pattern).as_posix()


def _inspect(found: Found, folder: Path | None, streamed: tuple[str, ...]) -> Path:
    """The real path of a regular file of bearable size inside the study; InputFaults otherwise."""

    def refuse(code: str, message: str, remedy: str) -> InputFaults:
        return InputFaults([Fault(code, message, remedy, file=found.name)])

    if hidden.without(found.name) != found.name or _UNCITABLE & set(found.name):
        raise refuse(
            "file-name",
            "the name of this file holds a semicolon or a character that cannot be seen; results cite the rows they "
            "come from as file:rows, with semicolons between.",
            "Rename the file.",
        )
    try:
        real = found.path.resolve(strict=True)
        status = real.stat()
    except FileNotFoundError:
        raise refuse("missing-file", "this is a link to a file that is not there.", "Copy the file itself.") from None
    except (OSError, RuntimeError) as e:  # RuntimeError: a loop of links, before Python 3.13
        if isinstance(e, RuntimeError) or "loop" in str(e).lower() or "symbolic links" in str(e).lower():
            raise refuse(
                "link-loop",
                "this link leads back to itself.",
                "Remove the link and copy the file itself here.",
            ) from None
        raise InputFaults([_unreadable(found.name, e)]) from None
    if folder is not None and not real.is_relative_to(folder.resolve()):
        raise refuse(
            "outside-study",
            "the file is a link that leads outside the study folder.",
            "Copy the file itself into the study folder, so that the study can be moved whole.",
        )
    if stat.S_ISDIR(status.st_mode):
        raise refuse(
            "not-a-file",
            "this is a folder, not a file.",
            f"Name the files in it, for example {found.name.rstrip('/')}/*.csv.",
        )
    if not stat.S_ISREG(status.st_mode):
        raise refuse("not-a-file", "this is a pipe or a device, not a file.", "Save the table as a file.")
    if status.st_size > MAX_BYTES and not found.name.lower().endswith(streamed):
        raise refuse(
            "too-large",
            f"the file has {status.st_size / 2**30:.1f} GB; no more than {MAX_BYTES / 2**30:g} GB are read as a table.",
            "Split it, or check that this is the right file.",
        )
    return real


def _unreadable(name: str, e: OSError) -> Fault:
    if isinstance(e, PermissionError):
        return Fault(
            "unreadable",
            "you have no permission to read this file.",
            "Change its permissions, close the program that locks it, or copy it.",
            file=name,
        )
    return Fault(
        "unreadable",
        f"it cannot be read ({e.strerror or e}).",
        "Check the file and the disk it lies on.",
        file=name,
    )
