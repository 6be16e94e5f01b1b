"""Bringing a knowledge table onto this machine: from its official address, from a mirror, or from a local copy.

All three ways end in the same parser and the same stored form. A file whose checksum the catalogue does not know is
recorded at its first fetch and verified afterwards, except where the address always gives the newest version.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rechallenge.knowledge import downloading, installing, places
from rechallenge.knowledge.catalogue import Resource, Source, get
from rechallenge.knowledge.downloading import Progress
from rechallenge.knowledge.errors import DownloadError, FormatError, KnowledgeError

Say = Callable[[str], None]
FIRST = "recorded at the first fetch"


def fetch(
    name: str,
    *,
    again: bool = False,
    accept_changed: bool = False,
    progress: Progress | None = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Install a fetchable table and give its provenance.

    What is installed already is not fetched again unless `again`. `say` receives the licence sentence before anything
    is downloaded. `accept_changed` takes a file whose checksum differs from the one known. An interrupted download is
    resumed by the next call. Raises UnknownResource, DownloadError, ChecksumError, FormatError, KnowledgeError.
    """
    resource = _fetchable(name)
    record = None if again or accept_changed else installing.provenance(name)
    if record is not None:
        current = record if record.get("schema") == installing.SCHEMA else installing.parse_again(resource, record)
        if (places.folder_of(name) / current["table"]).exists():
            return current
    if say:
        say(f"{resource.title}: {resource.permission()}")
    staged = places.folder_of(name) / "incoming"
    known = {} if accept_changed else installing.recorded(name)
    raw: list[installing.RawFile] = []
    try:
        for source in resource.sources:
            raw += _obtain(resource, source, staged, known, accept_changed, progress)
        frame, version = installing.parse(resource, [staged / r.file for r in raw])
    except FormatError:
        _discard(staged, raw, resource)
        raise
    record = installing.store(resource, frame, raw, version or _dated(resource), staged)
    if not resource.moving:
        installing.record_checksums(name, {r.file: r.sha256 for r in raw})
    shutil.rmtree(staged, ignore_errors=True)
    return record


def add(name: str, *given: str | Path, version: str = "") -> dict[str, Any]:
    """Install a table from local copies of its published files and give its provenance.

    `given` are the files (in any order where they keep their published names, else in the catalogue's order) or one
    folder that holds them. Compressed files are read as they are. `version` is what you know of the copy; else what
    the file itself says, else unknown. Raises FormatError, KnowledgeError.
    """
    resource = _fetchable(name)
    paths = _chosen(resource, [Path(g) for g in given])
    for path in paths:
        downloading.refuse_html(path, str(path))
    frame, stated = installing.parse(resource, paths)
    raw = []
    known = {s.file: s.sha256 for s in resource.sources if s.sha256} | installing.recorded(name)
    folder = places.folder_of(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as box:
            for path in paths:
                shutil.copyfile(path, Path(box) / path.name)
                digest = downloading.sha256_of(path)
                same = known.get(path.name) == digest
                checked = "the same as the official file" if same else "local copy, not compared with the official file"
                raw.append(installing.RawFile(path.name, "local copy", path.stat().st_size, digest, checked))
            official = all(r.checked.startswith("the same") for r in raw)
            version = version or stated or (resource.version if official else "unknown (local copy)")
            return installing.store(resource, frame, raw, version, Path(box))
    except OSError as e:
        raise downloading.disk_error(e) from e


def _fetchable(name: str) -> Resource:
    resource = get(name)
    if resource.starter:
        raise KnowledgeError(f"{name} comes with the package; there is nothing to fetch or add.")
    return resource


def _dated(resource: Resource) -> str:
    import datetime as dt

    return f"{resource.version}, {dt.datetime.now(dt.UTC):%Y-%m-%d}" if resource.moving else resource.version


def _discard(staged: Path, raw: list[installing.RawFile], resource: Resource) -> None:
    """Whole files that turned out unusable must not be taken for good ones by the next call."""
    names = {r.file for r in raw} | {s.file for s in resource.sources}
    for name in names:
        (staged / name).unlink(missing_ok=True)


def _obtain(
    resource: Resource,
    source: Source,
    staged: Path,
    known: dict[str, str],
    accept_changed: bool,
    progress: Progress | None,
) -> Iterator[installing.RawFile]:
    """Bring one source (a file, or a folder of files) to `staged`, checked."""
    staged.mkdir(parents=True, exist_ok=True)
    for file, address, others in _addresses(resource, source):
        if accept_changed:
            expected, basis = "", "accepted as it is"
        elif source.sha256:
            expected, basis = source.sha256, source.sha256_from or "the catalogue's checksum"
        else:
            expected, basis = ("" if resource.moving else known.get(file, "")), FIRST
        target = staged / file
        used = _first(address, others, target, expected, basis, progress)
        digest = downloading.check_sha256(target, expected, used, basis)
        if expected:
            checked = basis
        elif accept_changed:
            checked = "accepted although changed"
        else:
            checked = "newest version, no checksum known" if resource.moving else FIRST
        yield installing.RawFile(file, used, target.stat().st_size, digest, checked)


def _first(
    address: str, others: tuple[str, ...], target: Path, expected: str, basis: str, progress: Progress | None
) -> str:
    """Bring the first address that exists to `target`; gives that address."""
    missing: DownloadError | None = None
    for one in (address, *others):
        try:
            if places.is_web(one):
                downloading.download(one, target, expected=expected, basis=basis, progress=progress)
            else:
                shutil.copyfile(one, target)
                downloading.refuse_html(target, one)
            return one
        except DownloadError as e:
            if not e.not_found:
                raise
            missing = missing or e
        except OSError as e:
            raise downloading.disk_error(e) from e
    if missing is None:
        raise DownloadError(f"There is no address for {target.name}.", not_found=True)
    raise missing


def _addresses(resource: Resource, source: Source) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(file, address, other addresses) of a source; nothing but the mirror is asked where one is set."""
    mirror = places.mirror()
    if mirror and not places.is_web(mirror):
        yield from _in_folder(resource, source, Path(mirror).expanduser())
    elif source.listing:
        where = f"{mirror}/{resource.name}/" if mirror else source.address
        for file, address in downloading.listing(where, source.listing):
            yield file, address, ()
    elif mirror:
        yield source.file, f"{mirror}/{resource.name}/{source.file}", ()
    else:
        yield source.file, source.address, source.also


def _in_folder(resource: Resource, source: Source, mirror: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if source.listing:
        found = sorted((mirror / resource.name).glob(source.listing))
    else:
        found = [p for p in (mirror / resource.name / source.file, mirror / source.file) if p.is_file()][:1]
    if not found:
        what = source.listing or source.file
        raise DownloadError(
            f"The mirror {mirror} (RECHALLENGE_MIRROR) has no {resource.name}/{what}. Put it there, or unset "
            "RECHALLENGE_MIRROR to use the official address.",
            not_found=True,
        )
    for path in found:
        yield path.name, str(path), ()


def _chosen(resource: Resource, given: list[Path]) -> list[Path]:
    """The given files in the order of the catalogue's sources."""
    if not given:
        raise KnowledgeError(f"Say which file to add for {resource.name}.")
    for path in given:
        if not path.exists():
            raise KnowledgeError(f"There is no file {path}.")
    files = [f for p in given for f in (sorted(q for q in p.iterdir() if q.is_file()) if p.is_dir() else [p])]
    if any(s.listing for s in resource.sources):
        pattern = next(s.listing for s in resource.sources if s.listing)
        return [f for f in files if fnmatch(f.name, pattern)] or files
    wanted = [s.file for s in resource.sources]
    by_name = {f.name: f for f in files}
    if all(w in by_name for w in wanted):
        return [by_name[w] for w in wanted]
    if len(files) == len(wanted):
        return files
    raise KnowledgeError(
        f"{resource.name} is made of {len(wanted)} file{'s' if len(wanted) != 1 else ''} ({', '.join(wanted)}); "
        f"{len(files)} were given."
    )
