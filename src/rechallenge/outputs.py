"""What a run leaves in OUT: tables, figures, the four summaries, methods, report, `run.json` and RO-Crate metadata.

CSV is as `rechallenge.spreadsheet` writes it: no text is taken for a formula; the Parquet table beside it holds the
text as it is.

Every file is written atomically, only where its content changed, and only below OUT. Files that the earlier run
listed and this one no longer makes are removed, unless they were changed since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rechallenge import rocrate, sources
from rechallenge.faults import Fault, InputFaults, RechallengeError, StoreError
from rechallenge.record import RunRecord
from rechallenge.runfile import RUN_FILE, run_file
from rechallenge.spreadsheet import csv_text
from rechallenge.store import StoredTables, canonical, explained, file_sha256, remove_leftovers, sha256, write_atomic

if TYPE_CHECKING:
    import pandas as pd

#: the summaries at the top of OUT and their exact columns; written with the heading alone where there is nothing
SUMMARIES: dict[str, tuple[str, ...]] = {
    "candidates": (
        "rank",
        "entity",
        "entity_type",
        "direction",
        "score",
        "p_value",
        "q_value",
        "tier",
        "streams_for",
        "streams_against",
        "drugs",
        "summary",
    ),
    "drugs": (
        "rank",
        "drug",
        "targets",
        "approved",
        "cmax_um",
        "cmax_free_um",
        "achievable",
        "toxicity",
        "best_evidence",
        "summary",
    ),
    "combinations": (
        "rank",
        "drug_a",
        "drug_b",
        "model",
        "score",
        "ci_low",
        "ci_high",
        "in_window",
        "selective",
        "verdict",
    ),
}


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as CSV that is safe to open in a spreadsheet; numbers of things are whole."""
    return csv_text(_counts(frame)).encode()


def _counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers of things (`n`, `n_...`) as whole numbers, also where one of them is missing."""
    import pandas as pd

    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if (name == "n" or str(name).startswith("n_")) and pd.api.types.is_float_dtype(column.dtype):
            there = column.dropna()
            if len(there) and bool((there % 1 == 0).all()):
                frame = frame.copy(deep=False)
                frame.isetitem(position, column.astype("Int64").array)
    return frame


def summary(name: str, frame: pd.DataFrame | None) -> pd.DataFrame:
    """One of `SUMMARIES` in its exact columns; ValueError where the table lacks one of them."""
    import pandas as pd

    columns = list(SUMMARIES[name])
    if frame is None:
        return pd.DataFrame(columns=columns)
    lacking = [c for c in columns if c not in frame.columns]
    if lacking:
        raise ValueError(f"the table {name} has no column {', '.join(lacking)}")
    return frame[columns]


def out_folder(study_folder: Path, out: str | Path | None, inputs: Iterable[str] = ()) -> Path:
    """Where results go. Raises InputFaults where that would endanger the study: OUT is the study folder or holds it,
    or one of the `inputs` (paths relative to the study) lies in it."""
    study = study_folder.resolve()
    place = (Path(out) if out is not None else study / "results").resolve()

    def refuse(message: str, remedy: str) -> InputFaults:
        return InputFaults([Fault("out-folder", message, remedy, file=str(out if out is not None else "results"))])

    if place == study or place in study.parents:
        raise refuse(
            "results cannot go there: the folder is the study itself or holds it.",
            "Name a folder of its own with --out; by default results go to `results` in the study folder.",
        )
    if place.exists() and not place.is_dir():
        raise refuse("results cannot go there: it is a file.", "Name a folder with --out.")
    inside = sorted(i for i in inputs if (study / i).resolve().is_relative_to(place))
    if inside:
        raise InputFaults(
            Fault(
                "out-folder",
                "this table lies in the folder that results are written to.",
                "Move it, make the file pattern in study.toml narrower, or write elsewhere with --out.",
                file=i,
            )
            for i in inside
        )
    return place


@dataclass
class _Writer:
    """Writes files below one folder and remembers them. `earlier` is what the last run listed."""

    out: Path
    earlier: Mapping[str, Mapping[str, Any]]
    #: path -> {sha256, bytes, of}; `of` is the digest of what the file was made from
    written: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, path: str, of: str, make: Callable[[], bytes]) -> None:
        """Write the file, unless it is there as it was last made from the same `of`."""
        target = self._place(path)
        known = self.earlier.get(path, {})
        with explained("write", target):
            if known.get("of") == of and target.is_file() and file_sha256(target) == known.get("sha256"):
                self.written[path] = dict(known)
                return
            data = make()
            digest = sha256(data)
            if not target.is_file() or target.is_symlink() or file_sha256(target) != digest:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(target, data, durable=False)
        self.written[path] = {"sha256": digest, "bytes": len(data), "of": of}

    def _place(self, path: str) -> Path:
        """The target of a path relative to OUT; StoreError where a link would lead outside."""
        target = self.out / PurePosixPath(path)
        if not target.parent.resolve().is_relative_to(self.out):
            raise StoreError(f"{target.parent} is a link that leads out of {self.out}. Remove the link and run again.")
        return target

    def sweep(self) -> None:
        """Remove files of the earlier run that this one did not make and that nobody changed since."""
        for path, known in self.earlier.items():
            pure = PurePosixPath(path)
            if path in self.written or pure.is_absolute() or ".." in pure.parts or pure.parts[:1] == (".store",):
                continue
            target = self.out / pure
            if not target.parent.resolve().is_relative_to(self.out) or target.is_symlink() or not target.is_file():
                continue
            with explained("remove", target):
                if file_sha256(target) == known.get("sha256"):
                    target.unlink()
        remove_leftovers({self.out, *((self.out / p).parent for p in self.written)})


def write(record: RunRecord, *, pages: Mapping[str, Page] | None = None) -> dict[str, Path]:
    """Write everything of a run into `record.out`; the files by their path relative to it.

    `pages` replaces `PAGES`.

    Raises InputFaults where OUT would endanger the study, StoreError where it cannot be written, and, after all else
    is in place, RechallengeError where a page could not be rendered.
    """
    out = out_folder(record.study.folder, record.out, [i.path for i in record.inputs])
    with explained("make", out):
        out.mkdir(parents=True, exist_ok=True)
    writer = _Writer(out, _earlier(out))
    _tables(record, writer)
    _figures(record, writer)
    of = sha256(canonical({"evidence": _digest(record.evidence), "form": _form()}))
    writer.put("evidence.csv", of, lambda: csv_bytes(record.evidence))
    for name in SUMMARIES:
        there = name in record.tables
        of = sha256(canonical([_of_table(record, name) if there else "", _form()]))
        writer.put(
            f"{name}.csv",
            of,
            lambda n=name, t=there: csv_bytes(summary(n, record.tables[n] if t else None)),  # type: ignore[misc]
        )
    failed = _pages(record, writer, PAGES if pages is None else pages)
    listed = {p: writer.written[p] for p in sorted(writer.written)}
    crate = _json(rocrate.metadata(record, listed))
    writer.put(rocrate.FILE, sha256(crate), lambda: crate)
    listed[rocrate.FILE] = writer.written[rocrate.FILE]
    text = _json(run_file(record, listed))
    with explained("write", out / RUN_FILE):
        write_atomic(out / RUN_FILE, text, durable=False)
    writer.sweep()
    if failed:
        name, error = next(iter(failed.items()))
        raise RechallengeError(
            f"{name} could not be rendered ({type(error).__name__}: {error}). Everything else is in {out}."
        ) from error
    return {p: out / p for p in (*listed, RUN_FILE)}


def _tables(record: RunRecord, writer: _Writer) -> None:
    from rechallenge import parquet

    for name in record.tables:
        of = _of_table(record, name)
        stored = record.tables
        if isinstance(stored, StoredTables):
            writer.put(f"tables/{name}.parquet", of, lambda n=name, t=stored: t.data(n))  # type: ignore[misc]
        else:
            writer.put(f"tables/{name}.parquet", of, lambda n=name: parquet.encode(record.tables[n]))  # type: ignore[misc]
        writer.put(
            f"tables/{name}.csv",
            sha256(canonical([of, _form()])),
            lambda n=name: csv_bytes(record.tables[n]),  # type: ignore[misc]
        )


def _figures(record: RunRecord, writer: _Writer) -> None:
    for figure in record.figures:
        for form in ("svg", "pdf", "png", "csv"):
            if form in figure.files:
                folder = "source_data" if form == "csv" else "figures"
                stored = getattr(figure.files, "stored", None)
                of = stored[form].sha256 if stored is not None else sha256(figure.files[form])
                writer.put(f"{folder}/{figure.name}.{form}", of, lambda f=figure, k=form: f.files[k])  # type: ignore[misc]


def _methods(record: RunRecord) -> str:
    from rechallenge.report.methods import render

    return render(record)


def _report(record: RunRecord) -> str:
    from rechallenge.report.dossier import render

    return render(record, source=record.source)


@dataclass(frozen=True)
class Page:
    """A page: what renders it, and the modules whose source (data and templates included) decides how it looks."""

    render: Callable[[RunRecord], str]
    modules: tuple[str, ...]


PAGES: Mapping[str, Page] = {
    "methods.md": Page(_methods, ("rechallenge.report.methods",)),
    "report.html": Page(_report, ("rechallenge.report.dossier",)),
}


def _pages(record: RunRecord, writer: _Writer, pages: Mapping[str, Page]) -> dict[str, Exception]:
    """Render the pages that are not up to date; those that failed, with the error. A page that failed is not listed,
    so what an earlier run wrote in its place is removed rather than left to be taken for the new one."""
    failed: dict[str, Exception] = {}
    content = sha256(canonical(run_file(record, {}, lasting=True)))
    for path, page in pages.items():
        source = sources.digest(__name__, *page.modules, beside=("data", "templates"))
        of = sha256(canonical([content, source, dict(sources.versions())]))
        try:
            writer.put(path, of, lambda p=page: p.render(record).encode())  # type: ignore[misc]
        except StoreError:
            raise
        except Exception as e:  # noqa: BLE001 - raised again by `write` when all else is in place
            failed[path] = e
    return failed


def _earlier(out: Path) -> dict[str, dict[str, Any]]:
    """What the run before listed as its files, {} where there was none or its list cannot be read."""
    try:
        listed = json.loads((out / RUN_FILE).read_bytes())["outputs"]
        return {str(p): dict(known) for p, known in listed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _of_table(record: RunRecord, name: str) -> str:
    tables = record.tables
    return tables.stored[name].sha256 if isinstance(tables, StoredTables) else _digest(tables[name])


def _digest(frame: pd.DataFrame) -> str:
    from rechallenge import parquet

    return sha256(parquet.encode(frame))


def _form() -> str:
    """Digest of what decides how a table becomes CSV."""
    return sources.digest(__name__) + sources.versions()["pandas"]


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
