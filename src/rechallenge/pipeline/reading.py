"""Reading as a step: each table kind of a study is parsed once and kept under the digests of its files.

The bytes of every file are digested on every run and file patterns are looked up afresh, so a changed, added or
removed file is always noticed, and a changed date alone never causes work.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rechallenge import sources
from rechallenge.faults import Fault
from rechallenge.pipeline.events import Event, Progress
from rechallenge.record import InputRecord
from rechallenge.store import FORMAT, Manifest, Store, Stored, canonical, file_sha256, sha256
from rechallenge.study import STUDY_FILE, Study, TableSource
from rechallenge.tables.contract import Contract

if TYPE_CHECKING:
    import pandas as pd

#: how often a kind is read again because a file changed while it was being read
_TRIES = 3
#: what stands before a table's name among the outputs of a reading
FRAME = "frame:"
_NO_TABLES = Fault(
    "no-tables",
    "the study names no table, so there is nothing to analyse.",
    "Name your tables under [tables].",
    file=STUDY_FILE,
    column="tables",
    severity="warning",
)


class TablesRead(Protocol):
    """What a reader returns: tables by kind, faults, excluded cells and rows, rows read by kind."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]: ...
    @property
    def faults(self) -> Any: ...
    @property
    def excluded(self) -> pd.DataFrame: ...
    @property
    def rows_read(self) -> Mapping[str, int]: ...


Reader = Callable[[Study, Mapping[str, Contract]], TablesRead]


@dataclass(frozen=True)
class Inputs:
    """The tables of a study in the store, and what there is to say of them. `how` tells, for each kind, the key, the
    state (done or cached) and the seconds that reading took."""

    tables: Mapping[str, Stored]
    faults: list[Fault]
    excluded: pd.DataFrame
    files: list[InputRecord]
    rows_read: Mapping[str, int]
    how: Mapping[str, Mapping[str, Any]]


def default_reader(study: Study, contracts: Mapping[str, Contract]) -> TablesRead:
    """`rechallenge.tables.reading.read_study`, loaded when there is something to read."""
    from rechallenge.tables.reading import read_study

    return read_study(study, contracts)


def read(
    study: Study,
    contracts: Mapping[str, Contract],
    store: Store,
    tell: Progress,
    reader: Reader = default_reader,
) -> Inputs:
    """Every table kind of the study, from the store where its files are unchanged. Raises StoreError."""
    models = store.put_table(study.models_table()).sha256
    tables: dict[str, Stored] = {}
    faults: list[Fault] = []
    excluded: list[Stored] = []
    files = [_record(study.folder / STUDY_FILE, STUDY_FILE, "study")]
    rows_read: dict[str, int] = {}
    how: dict[str, dict[str, Any]] = {}
    kinds = {k: study.tables[k] for k in sorted(study.tables)}
    if not kinds:
        faults.append(_NO_TABLES)
        excluded.append(store.put_table(reader(study, contracts).excluded))
    for i, (kind, spec) in enumerate(kinds.items(), start=1):
        manifest, state, listed = _kind(study, kind, spec, contracts, models, store, reader)
        files.extend(listed)
        made = manifest.outputs
        for name, stored in made.items():
            if name.startswith(FRAME):
                tables[name.removeprefix(FRAME)] = stored
        about = store.json(made["about"].sha256)
        faults.extend(Fault(**f) for f in about["faults"])
        rows_read[kind] = int(about["rows_read"])
        excluded.append(made["excluded"])
        how[kind] = {"key": manifest.key, "state": state, "seconds": round(manifest.seconds, 3)}
        tell(Event("reading", kind, state, done=i, total=len(kinds)))
    return Inputs(tables, list(dict.fromkeys(faults)), _together(excluded, store), files, rows_read, how)


def _kind(
    study: Study,
    kind: str,
    spec: tuple[TableSource, ...],
    contracts: Mapping[str, Contract],
    models: str,
    store: Store,
    reader: Reader,
) -> tuple[Manifest, str, list[InputRecord]]:
    """One table kind: its manifest, whether it was read now or was there, and its files."""
    one = replace(study, tables={kind: spec})
    for attempt in range(1, _TRIES + 1):
        listed = _files(study.folder, kind, spec)
        key = _key(kind, spec, listed, contracts.get(kind), models, reader, study.folder)
        known = store.manifest(key)
        if known is not None:
            return known, "cached", listed
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = reader(one, contracts)
        if attempt < _TRIES and _files(study.folder, kind, spec) != listed:
            continue
        said = [_warned(w) for w in dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught)]
        outputs = {
            "about": store.put_json(
                {
                    "faults": [f.record() for f in [*found.faults, *said]],
                    "rows_read": int(found.rows_read.get(kind, 0)),
                }
            ),
            "excluded": store.put_table(found.excluded),
        }
        for name, frame in found.tables.items():
            outputs[f"{FRAME}{name}"] = store.put_table(frame)
        made = Manifest(
            key,
            f"read:{kind}",
            "done",
            outputs=outputs,
            seconds=time.perf_counter() - started,
            inputs={f.path: f.sha256 for f in listed},
            versions=dict(sources.versions()),
        )
        unreadable = any(not f.sha256 for f in listed)
        return (made if unreadable else store.keep(made)), "done", listed
    raise AssertionError("the last attempt returns")


def _warned(text: str) -> Fault:
    return Fault("reader-warning", text, severity="warning")


def _files(folder: Path, kind: str, spec: tuple[TableSource, ...]) -> list[InputRecord]:
    """The files that a kind covers now, with their digests; one that cannot be read has none."""
    from rechallenge.tables.files import find

    named: list[str] = []
    for source in spec:
        named += source.values
        named += [f for f in (source.samples, source.map, source.layout) if f]
        named += [v for v in source.extra.values() if isinstance(v, str) and v and _is_file(folder, v)]
    found, _ = find(named, folder)
    return [_record(f.path, f.name, kind) for f in found]


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):  # longer than a file name may be
        return False


def _record(path: Path, name: str, kind: str) -> InputRecord:
    try:
        return InputRecord(name, kind, path.stat().st_size, file_sha256(path))
    except OSError:  # said by the reader, with what to do
        return InputRecord(name, kind, 0, "")


def _key(
    kind: str,
    spec: tuple[TableSource, ...],
    listed: list[InputRecord],
    contract: Contract | None,
    models: str,
    reader: Reader,
    folder: Path,
) -> str:
    rules = [_rule(r) for r in contract.rules] if contract is not None else []
    # a table that says where its files lie is another one where the study was moved
    places = contract is not None and any(c.name == "path" for c in contract.columns)
    own = [contract.reader.partition(":")[0]] if contract is not None and ":" in contract.reader else []
    return sha256(
        canonical(
            {
                "format": FORMAT,
                "step": f"read:{kind}",
                "source": sources.digest(*modules_of_reader(reader), __name__, *own, *(r[0] for r in rules)),
                "contract": "" if contract is None else repr(replace(contract, rules=())),
                "rules": rules,
                "spec": [s.model_dump() for s in spec],
                "files": [[f.path, f.sha256] for f in listed],
                "models": models,
                "versions": dict(sources.versions()),
                **({"folder": str(folder.resolve())} if places else {}),
            }
        )
    )


def modules_of_reader(reader: Reader) -> tuple[str, ...]:
    """The modules whose source decides what is read."""
    return sources.package("rechallenge.tables") if reader is default_reader else (reader.__module__,)


def _rule(rule: Any) -> list[str]:
    """The module of a contract's rule, its name, and what is bound into it."""
    bound: list[Any] = []
    while isinstance(rule, functools.partial):
        bound += [rule.args, sorted(rule.keywords.items())]
        rule = rule.func
    bound += [c.cell_contents for c in getattr(rule, "__closure__", None) or ()]
    return [rule.__module__, getattr(rule, "__qualname__", ""), *map(repr, bound)]


def _together(parts: list[Stored], store: Store) -> pd.DataFrame:
    from rechallenge import parquet

    filled = [p for p in parts if p.rows] or parts[:1]
    return parquet.join([store.get(p.sha256) for p in filled])
