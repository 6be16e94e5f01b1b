"""Results on disk, addressed by what they are and by what they were made from.

::

    .store/objects/ab/<sha256>   bytes, never changed (Parquet tables, figures, JSON), named by their digest
    .store/keys/<key>.json       what one step made under one key: its outputs by digest, seconds, warnings, versions

Writing is atomic (a temporary file beside the target, flushed to disk, then renamed), so a killed run leaves nothing
half-written and several runs, also on several machines, may share a store. Reading checks the digest: a damaged or
missing object counts as absent, is said in `Store.notes`, and is made anew. The whole folder may be deleted at any
time; the price is computing again. Nothing in it is ever executed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rechallenge.faults import StoreError

if TYPE_CHECKING:
    import pandas as pd

#: part of every key: raise it when the form of stored results changes
FORMAT = 1
#: temporary files of killed runs older than this many seconds are removed
LEFTOVER_AGE = 3600.0
_TEMPORARY = ".tmp-"
_DIGEST = re.compile("[0-9a-f]{64}")
_ANEW = "Delete the folder .store in the results and run again; all is made anew."
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Intermediate results of rechallenge. This folder may be deleted; the next run makes it again.\n"
)


class Absent(StoreError):
    """A stored result that should be there is missing or damaged."""


@dataclass(frozen=True)
class Stored:
    """One stored object: its digest, what it is, its size in bytes and, for a table, its rows."""

    sha256: str
    kind: Literal["table", "blob", "json"]
    bytes: int
    rows: int = 0


@dataclass(frozen=True)
class Manifest:
    """What a step made under a key.

    Only `done` and `skipped` are ever stored. A worker also answers with `failed` (see `reason`, `traceback`) or with
    `cut` (the step is to be run in the parts listed).
    """

    key: str
    step: str
    state: Literal["done", "skipped", "failed", "cut"]
    reason: str = ""
    outputs: Mapping[str, Stored] = field(default_factory=dict)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    methods: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    traceback: str = ""
    parts: tuple[str, ...] = ()


def sha256(data: bytes) -> str:
    """Digest of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def canonical(value: Any) -> bytes:
    """JSON in the one form that digests are taken of: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a mixture. Raises OSError.

    `durable` waits until the bytes are on the disk, for what must outlast a power cut.
    """
    for last in (False, True):
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}")
        try:
            with temporary.open("xb") as f:
                f.write(data)
                if durable:
                    f.flush()
                    os.fsync(f.fileno())
            temporary.replace(path)
            return
        except BaseException as e:
            with suppress(OSError):
                temporary.unlink()
            # where a clock jumped, another run may take a file that is being written for one that was left behind
            if last or not isinstance(e, FileNotFoundError) or not path.parent.is_dir():
                raise


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove temporary files that killed runs left in these folders, once they are old."""
    oldest = time.time() - LEFTOVER_AGE
    for folder in folders:
        with suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder) as entries:
            for e in entries:
                # another run may remove it at the same moment
                if e.name.startswith(_TEMPORARY):
                    with suppress(OSError):
                        if e.stat(follow_symlinks=False).st_mtime < oldest:
                            Path(e.path).unlink()


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what failed, where, and what to do."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            why, remedy = "the disk is full", "Free some space, or choose another folder with --out, and run again."
        elif e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why, remedy = "this is not permitted", "Choose a folder that you may write to with --out."
        elif e.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY):
            why, remedy = "a file or folder of another kind lies there", "Remove it, and run again."
        else:
            why, remedy = e.strerror or str(e), "Check the disk, or choose another folder with --out."
        raise StoreError(f"cannot {doing} {path}: {why}. {remedy} What was finished is kept.") from e


class Store:
    """The results store in the folder `root` (made on first writing)."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        #: sentences on damaged objects met so far
        self.notes: list[str] = []
        self._sound: dict[str, tuple[int, int]] = {}

    def _object(self, digest: str) -> Path:
        return self.root / "objects" / digest[:2] / digest

    def _manifest(self, key: str) -> Path:
        return self.root / "keys" / f"{key}.json"

    def prepare(self) -> None:
        """Make the folder and remove what killed runs left behind. Raises StoreError."""
        if self.root.is_symlink():
            raise StoreError(f"{self.root} is a link to another folder. Remove the link; results stay inside OUT.")
        with explained("make the results store", self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            tag = self.root / "CACHEDIR.TAG"
            if not tag.exists():
                write_atomic(tag, _TAG.encode())
        remove_leftovers([self.root, *self.root.glob("objects/*"), self.root / "keys"])

    def put(self, data: bytes) -> str:
        """Store bytes; their digest. Bytes that are already there are not written again."""
        digest = sha256(data)
        path = self._object(digest)
        if not self._is_sound(digest):
            with explained("write a result to", path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of that digest. Raises Absent where they are missing or damaged."""
        path = self._object(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise Absent(f"a stored result is missing ({path.name[:12]}). Run again; it is made anew.") from None
        except OSError as e:
            raise StoreError(f"cannot read {path}: {e.strerror or e}. Check the folder's permissions.") from e
        if sha256(data) != digest:
            raise Absent(f"a stored result is damaged ({path.name[:12]}). Run again; it is made anew.")
        return data

    def _is_sound(self, digest: str) -> bool:
        """Is the object there and are its bytes what its name says? Checked once per state of the file."""
        path = self._object(digest)
        try:
            at = path.stat()
            seen = (at.st_mtime_ns, at.st_size)
            if self._sound.get(digest) == seen:
                return True
            if file_sha256(path) != digest:
                return False
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        except OSError as e:
            raise StoreError(f"cannot read {path}: {e.strerror or e}. Check the folder's permissions.") from e
        self._sound[digest] = seen
        return True

    def put_blob(self, data: bytes) -> Stored:
        """Store bytes as they are."""
        return Stored(self.put(data), "blob", len(data))

    def put_json(self, value: Any) -> Stored:
        """Store a value of JSON."""
        data = canonical(value)
        return Stored(self.put(data), "json", len(data), len(value) if isinstance(value, list) else 0)

    def put_table(self, frame: pd.DataFrame) -> Stored:
        """Store a table. Raises TypeError or ValueError that names a column which cannot be kept."""
        from rechallenge import parquet

        data = parquet.encode(frame)
        return Stored(self.put(data), "table", len(data), len(frame))

    def json(self, digest: str) -> Any:
        """The value stored under that digest. Raises Absent."""
        try:
            return json.loads(self.get(digest))
        except (ValueError, RecursionError) as e:
            raise Absent(f"a stored result is not what it should be ({digest[:12]}). {_ANEW}") from e

    def table(self, digest: str) -> pd.DataFrame:
        """The table stored under that digest. Raises Absent."""
        import pyarrow as pa

        from rechallenge import parquet

        data = self.get(digest)
        try:
            return parquet.decode(data)
        except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as e:
            raise Absent(f"a stored result is not what it should be ({digest[:12]}). {_ANEW}") from e

    def manifest(self, key: str) -> Manifest | None:
        """What is stored under a key, or None where nothing is, or where a part of it is missing or damaged."""
        path = self._manifest(key)
        try:
            raw = json.loads(path.read_bytes())
            found = _manifest_of(raw)
            if found.key != key:
                raise ValueError("the record of another step")
        except FileNotFoundError:
            return None
        except IsADirectoryError as e:
            raise StoreError(f"cannot read {path}: it is a folder. Remove it, and run again.") from e
        except OSError as e:
            raise StoreError(f"cannot read {path}: {e.strerror or e}. Check the folder's permissions.") from e
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.notes.append(f"the record of a stored result ({key[:12]}) was damaged; it was computed again")
            return None
        for name, stored in found.outputs.items():
            if not self._is_sound(stored.sha256):
                self.notes.append(
                    f"the stored result {name} of {found.step} was missing or damaged; it was computed again"
                )
                return None
        return found

    def keep(self, manifest: Manifest) -> Manifest:
        """Write a manifest under its key and return it; its outputs must be stored already."""
        if manifest.state not in ("done", "skipped"):
            raise ValueError(f"a step that is {manifest.state} is not kept")
        # in the order of making: figures are shown in the order in which their step returned them
        data = json.dumps(asdict(manifest), indent=1, ensure_ascii=False).encode()
        path = self._manifest(manifest.key)
        with explained("write a result to", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        return manifest


def _manifest_of(raw: dict[str, Any]) -> Manifest:
    outputs = {str(n): Stored(**o) for n, o in raw.pop("outputs").items()}
    made = Manifest(**raw, outputs=outputs)
    if made.state not in ("done", "skipped") or not isinstance(made.key, str):
        raise ValueError("not a manifest")
    if not all(isinstance(o.sha256, str) and _DIGEST.fullmatch(o.sha256) for o in outputs.values()):
        raise ValueError("an output without a digest")
    numbers = [made.seconds, *(n for o in outputs.values() for n in (o.rows, o.bytes))]
    if not all(isinstance(n, int | float) for n in numbers):
        raise ValueError("a number that is none")
    return replace(made, warnings=tuple(made.warnings), parts=tuple(made.parts))


class StoredTables(Mapping[str, "pd.DataFrame"]):
    """Result tables by name, each read from the store when it is asked for and kept from then on."""

    def __init__(self, store: Store, stored: Mapping[str, Stored]):
        self._store, self.stored = store, dict(stored)
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            self._read[name] = self._store.table(self.stored[name].sha256)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def data(self, name: str) -> bytes:
        """The stored Parquet bytes of a table."""
        return self._store.get(self.stored[name].sha256)


class StoredFiles(Mapping[str, bytes]):
    """Stored bytes by name (the files of a figure), read when asked for and not kept."""

    def __init__(self, store: Store, stored: Mapping[str, Stored]):
        self._store, self.stored = store, dict(stored)

    def __getitem__(self, name: str) -> bytes:
        return self._store.get(self.stored[name].sha256)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)
