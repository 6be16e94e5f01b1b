"""Parsed tables on disk: stored once, in one documented form, with where they came from.

A resource has a folder: `table-DIGEST.parquet` (the parsed table), `provenance.json` (which names that table, so that
replacing it is one atomic step) and `raw/` (the files as published). `checksums.json` beside the folders keeps what was
recorded at the first fetch even when a table is removed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rechallenge.faults import RechallengeError
from rechallenge.knowledge.catalogue import Resource, catalogue, get
from rechallenge.knowledge.downloading import disk_error, sha256_of
from rechallenge.knowledge.errors import FormatError, KnowledgeError, NotInstalled
from rechallenge.knowledge.places import data_folder, folder_of

if TYPE_CHECKING:
    import pandas as pd

#: changes when a parser or a schema changes: tables parsed before are then parsed again from their raw files
SCHEMA = 1


@dataclass(frozen=True)
class RawFile:
    """One published file that was parsed: its name, where it was had, its digest, how that digest was checked."""

    file: str
    address: str
    bytes: int
    sha256: str
    checked: str


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new one, never a part. DownloadError where the disk is full."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise disk_error(e) from e


def parse(resource: Resource, paths: Sequence[Path]) -> tuple[pd.DataFrame, str]:
    """The table of a resource in its documented columns, and the version that the files themselves state ('' = none).

    Raises FormatError.
    """
    from rechallenge.knowledge.parsing import parsers, shaped

    try:
        frame, version = parsers()[resource.parser](list(paths), **dict(resource.options or {}))
        return shaped(resource, frame), version
    except (RechallengeError, MemoryError):
        raise
    except Exception as e:
        if isinstance(e, OSError) and e.filename is not None:  # the disk, not what the file holds
            raise
        names = ", ".join(p.name for p in paths)
        raise FormatError(
            f"{resource.name}: {names} is damaged or its format has changed ({type(e).__name__}: {str(e)[:160]}). "
            f"Fetch it again: rechallenge knowledge fetch --again {resource.name}"
        ) from e


def store(
    resource: Resource, frame: pd.DataFrame, raw: Sequence[RawFile], version: str, staged: Path
) -> dict[str, Any]:
    """Put a parsed table and its raw files in place; gives the provenance. `staged` holds the raw files (moved)."""
    from rechallenge import __version__, parquet

    data = parquet.encode(frame)
    digest = hashlib.sha256(data).hexdigest()
    folder = folder_of(resource.name)
    record: dict[str, Any] = {
        "name": resource.name,
        "title": resource.title,
        "version": version,
        "licence": resource.licence,
        "licence_url": resource.licence_url,
        "redistribution": resource.redistribution,
        "commercial": resource.commercial,
        "citation": resource.citation,
        "files": [asdict(r) for r in raw],
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "rows": len(frame),
        "columns": list(frame.columns),
        "parser": resource.parser,
        "schema": SCHEMA,
        "rechallenge": __version__,
        "table": f"table-{digest[:16]}.parquet",
        "sha256": digest,
    }
    write_atomic(folder / record["table"], data)
    kept = folder / "raw"
    if staged != kept:
        try:
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True, exist_ok=True)
            for r in raw:
                shutil.move(staged / r.file, kept / r.file)
        except OSError as e:
            raise disk_error(e) from e
    write_atomic(folder / "provenance.json", json.dumps(record, indent=1, ensure_ascii=False).encode())
    for old in folder.glob("table-*.parquet"):
        if old.name != record["table"]:
            old.unlink(missing_ok=True)
    return record


def provenance(name: str) -> dict[str, Any] | None:
    """What is installed of a fetchable resource, None where nothing is. KnowledgeError where the record is damaged."""
    path = folder_of(name) / "provenance.json"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        record: dict[str, Any] = json.loads(text)
    except ValueError as e:
        raise KnowledgeError(f"{path} is damaged. Run: rechallenge knowledge fetch --again {name}") from e
    return record


def installed() -> dict[str, dict[str, Any]]:
    """Provenance of every installed resource of the catalogue, by name."""
    found = {}
    for name, one in catalogue().items():
        record = None if one.starter else provenance(name)
        if record is not None:
            found[name] = record
    return found


def remove(name: str) -> bool:
    """Delete an installed resource; False where it was not installed. The recorded checksum is kept."""
    one = get(name)
    if one.starter:
        raise KnowledgeError(f"{name} comes with the package and cannot be removed.")
    folder = folder_of(name)
    if not folder.exists():
        return False
    (folder / "provenance.json").unlink(missing_ok=True)
    shutil.rmtree(folder)
    return True


def read(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The stored table and its provenance. NotInstalled, or KnowledgeError where the files do not agree."""
    from rechallenge import parquet

    record = provenance(name)
    if record is None:
        one = get(name)
        raise NotInstalled(
            f"{name} ({one.title}) is not on this machine. Run: rechallenge knowledge fetch {name}\n"
            f"  Licence: {one.permission()}"
        )
    if record.get("schema") != SCHEMA:
        record = parse_again(get(name), record)
    path = folder_of(name) / record["table"]
    try:
        data = path.read_bytes()
    except FileNotFoundError as e:
        raise KnowledgeError(f"{path} is missing. Run: rechallenge knowledge fetch --again {name}") from e
    if hashlib.sha256(data).hexdigest() != record["sha256"]:
        raise KnowledgeError(f"{path} has been changed or damaged. Run: rechallenge knowledge fetch --again {name}")
    return parquet.decode(data), record


def parse_again(resource: Resource, record: dict[str, Any]) -> dict[str, Any]:
    """Parse the raw files on disk anew (after the package's schema has changed); gives the new provenance."""
    kept = folder_of(resource.name) / "raw"
    raw = [RawFile(**f) for f in record["files"]]
    for r in raw:
        if not (kept / r.file).exists() or sha256_of(kept / r.file) != r.sha256:
            raise KnowledgeError(
                f"The raw file {kept / r.file} is missing or changed. "
                f"Run: rechallenge knowledge fetch --again {resource.name}"
            )
    frame, _ = parse(resource, [kept / r.file for r in raw])
    return store(resource, frame, raw, record["version"], kept)


def recorded(name: str) -> dict[str, str]:
    """SHA-256 by file name as recorded when a resource was first fetched."""
    path = data_folder() / "checksums.json"
    try:
        return dict(json.loads(path.read_text("utf-8")).get(name, {}))
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as e:
        raise KnowledgeError(f"{path} is damaged: delete it to record checksums anew.") from e


def record_checksums(name: str, sums: dict[str, str]) -> None:
    """Keep the checksums of a resource's files for later fetches."""
    path = data_folder() / "checksums.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    known[name] = {**known.get(name, {}), **sums}
    write_atomic(path, json.dumps(known, indent=1, sort_keys=True).encode())
