"""The case for and against one gene, drug or pair, from the results of a run.

`case(out, name)` collects it as data, `explain(out, name)` writes it as plain text, `renderables(case)` as Rich
renderables for a terminal.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.evidence import AMOUNT, COLUMNS, LEVELS, NUMBERS, check, claim_table
from rechallenge.faults import Fault, InputFaults, RechallengeError
from rechallenge.report import words
from rechallenge.report.claims import facts, ranked
from rechallenge.report.tabular import view
from rechallenge.report.words import ALPHA

#: rows of one result table shown
ROWS = 6
#: columns of result tables that name what a row is about; a name found in none of them may be that of a model
ENTITIES = (
    "entity",
    "drug",
    "gene",
    "perturbation",
    "drug_a",
    "drug_b",
    "compound",
    "feature",
    "protein",
    "target",
    "inhibitor",
    "pretreatment",
    "metabolite",
    "pathway",
    "regulator",
)
#: result tables with one row per well or replicate, which argue nothing by themselves
_MEASURED = ("responses",)
_ACTS = ("drug", "pair")
_HEADINGS = {
    "for": ("For: it restores sensitivity", "For: it promotes resistance"),
    "against": ("Against: there is resistance to it", "Against: it restores sensitivity"),
    "not_shown": ("Not shown: tested, without a clear effect",) * 2,
    "undetermined": ("Not determined",) * 2,
}


@dataclass(frozen=True)
class Case:
    """What a run says of one entity. Each group holds rows of Evidence, the surest first.

    For a gene, metabolite, pathway or regulator, `supports` holds what says that it promotes resistance; for a drug
    or a pair, what says that it restores sensitivity. `opposes` holds the opposite, `not_shown` what was tested
    without a clear effect, `undetermined` what the data do not tell. `mentions` maps result tables to their rows
    with this name, `counts` to how many there are in all.
    """

    name: str
    entity_type: str
    supports: pd.DataFrame
    opposes: pd.DataFrame
    not_shown: pd.DataFrame
    undetermined: pd.DataFrame
    mentions: dict[str, pd.DataFrame]
    counts: dict[str, int]

    @property
    def groups(self) -> tuple[tuple[str, pd.DataFrame], ...]:
        """Heading and claims of each group."""
        acts = 0 if self.entity_type in _ACTS else 1
        frames = (self.supports, self.opposes, self.not_shown, self.undetermined)
        return tuple((_HEADINGS[k][acts], f) for k, f in zip(_HEADINGS, frames, strict=True))


def explain(out: Path | str, name: str) -> str:
    """The case for and against `name` as plain text. Raises as `case` does."""
    return text(case(out, name))


def case(out: Path | str, name: str) -> Case:
    """Collect the case from the results folder `out` of a run.

    Names are compared without case; a pair may be written with +, /, & or `and`, in either order. A row of
    a result table counts where one of its columns `ENTITIES` holds the name; where there is none, and no claim, the
    rows of a model of that name. Raises InputFaults where the folder holds no results, or nothing bears the name
    (with the nearest names), RechallengeError where its files are damaged.
    """
    folder = Path(out)
    evidence = read_evidence(folder)
    tables = _tables(folder)
    key = _key(name)
    found = evidence[evidence["entity"].map(_key) == key]
    mentions: dict[str, pd.DataFrame] = {}
    counts: dict[str, int] = {}
    for columns in (ENTITIES, ("model",)):
        for table, frame in tables.items():
            rows = frame[_mentioned(frame, key, columns)]
            if len(rows):
                mentions[table], counts[table] = rows.head(ROWS), len(rows)
        if mentions or len(found):
            break
    if found.empty and not mentions:
        raise InputFaults([_unknown(name, evidence, tables)])
    types = found["entity_type"].mode()
    entity_type = str(types.iloc[0]) if len(types) else ""
    sign = -1 if entity_type in _ACTS else 1
    group = found.apply(lambda row: _group(row, sign), axis=1) if len(found) else pd.Series(dtype=object)
    parts = {k: ranked(found[group == k]).reset_index(drop=True) for k in _HEADINGS}
    shown = str(found["entity"].iloc[0]) if len(found) else name.strip()
    return Case(
        shown,
        entity_type,
        supports=parts["for"],
        opposes=parts["against"],
        not_shown=parts["not_shown"],
        undetermined=parts["undetermined"],
        mentions=mentions,
        counts=counts,
    )


def read_evidence(folder: Path) -> pd.DataFrame:
    """`evidence.csv` of a results folder, checked.

    Raises InputFaults where it is absent, RechallengeError where it is damaged.
    """
    path = folder / "evidence.csv"
    if not path.is_file():
        remedy = "Name the results folder of a run (by default STUDY/results)."
        raise InputFaults([Fault("no_results", f"{folder} holds no evidence.csv.", remedy)])
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        if tuple(frame.columns) != COLUMNS:
            return check(frame)
        for c in (*NUMBERS, "direction"):
            frame[c] = [float(v) if v else float("nan") for v in frame[c]]
        return claim_table(frame.to_dict("records"))  # type: ignore[arg-type]
    except (ValueError, pd.errors.ParserError) as e:
        raise RechallengeError(f"{path} cannot be read as evidence: {e}. Run the study again.") from e


# finding --------------------------------------------------------------------------------------------------------


def _key(name: Any) -> str:
    """One form for all spellings of a name; the members of a pair in alphabetical order."""
    parts = re.split(r"\s*[+/&|]\s*|\s+and\s+", str(name).strip().casefold())
    return " + ".join(sorted(" ".join(p.split()) for p in parts if p))


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Result tables by name: Parquet where it is there, else CSV; without those of single measurements."""
    files = {p.stem: p for suffix in ("csv", "parquet") for p in sorted((folder / "tables").glob(f"*.{suffix}"))}
    for top in ("candidates", "drugs", "combinations"):
        if (folder / f"{top}.csv").is_file():
            files.setdefault(top, folder / f"{top}.csv")
    out = {}
    for name, path in sorted(files.items()):
        if name in _MEASURED:
            continue
        try:
            out[name] = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        except (ValueError, OSError) as e:
            raise RechallengeError(f"{path} cannot be read: {e}. Run the study again.") from e
    return out


def _named(frame: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    return [c for c in columns if c in frame.columns and not pd.api.types.is_numeric_dtype(frame[c])]


def _mentioned(frame: pd.DataFrame, key: str, columns: Iterable[str]) -> pd.Series[bool]:
    """Rows in which one of `columns` holds that name, or in which the two drugs of a pair stand side by side."""
    hit = pd.Series(False, index=frame.index)
    for c in _named(frame, columns):
        keys = {v: _key(v) for v in frame[c].unique()}
        hit |= frame[c].map(keys) == key
    if {"drug_a", "drug_b"} <= set(frame.columns):
        both = [_key(f"{a} + {b}") for a, b in zip(frame["drug_a"], frame["drug_b"], strict=True)]
        hit |= pd.Series([b == key for b in both], index=frame.index, dtype=bool)
    return hit


def _unknown(name: str, evidence: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> Fault:
    """What to say of a name that nothing bears: the nearest names, or those that claims were made about."""
    known = dict.fromkeys(evidence["entity"].tolist())
    for frame in tables.values():
        for c in _named(frame, (*ENTITIES, "model")):
            values = frame[c].dropna().astype(str)
            known.update(dict.fromkeys(v for v in values.unique() if v))
    by_key: dict[str, str] = {}
    for k in known:
        by_key.setdefault(_key(k), k)
    close = [by_key[k] for k in difflib.get_close_matches(_key(name), list(by_key), n=3, cutoff=0.6)]
    text = f"Nothing in these results is called {name!r}."
    if close:
        remedy = f"Did you mean {words.listed(close, joint='or')}?"
    elif len(evidence):
        remedy = f"Claims were made about {words.listed(dict.fromkeys(evidence['entity']), most=12)}."
    else:
        remedy = "No claims were made in this run."
    return Fault("unknown_name", text, remedy)


def _group(row: Any, sign: int) -> str:
    status, direction = str(row["status"]), int(row["direction"]) * sign
    q = row["p_value"] if words.is_missing(row["q_value"]) else row["q_value"]
    if status in ("not_estimable", "not_testable") or (status == "censored" and direction == 0):
        return "undetermined"
    if str(row["effect_unit"]).startswith(AMOUNT):  # what moves it, not what it does to the response
        return "undetermined"
    if direction == 0 or (not words.is_missing(q) and float(q) > ALPHA):
        return "not_shown"
    return "for" if direction > 0 else "against"


# saying ---------------------------------------------------------------------------------------------------------


def text(found: Case) -> str:
    """A case as plain text, lines of sentences with their particulars below."""
    lines = [found.name + (f" ({found.entity_type})" if found.entity_type else ""), verdict(found), ""]
    for heading, claims in found.groups:
        if claims.empty:
            continue
        lines.append(heading)
        for _, row in claims.iterrows():
            lines += [f"  - {words.plain(str(row['claim']))}", f"    {particulars(row)}"]
            if rows := words.rows_in_words(str(row["source_rows"])):
                lines.append(f"    rows: {rows}")
        lines.append("")
    for table, rows_found in found.mentions.items():
        total = found.counts[table]
        lines.append(f"In the table {table}" + (f" (first {len(rows_found)} of {total} rows)" if total > ROWS else ""))
        lines += [f"  - {line}" for line in table_lines(table, rows_found)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def verdict(found: Case) -> str:
    """One sentence that counts the case."""
    numbers = [
        (len(found.supports), "for"),
        (len(found.opposes), "against"),
        (len(found.not_shown), "without a clear effect"),
        (len(found.undetermined), "not determined"),
    ]
    total = sum(n for n, _ in numbers)
    if not total:
        return "No claim was made about it; it appears in the tables below."
    streams = pd.concat([f["stream"] for _, f in found.groups]).nunique()
    said = words.listed(f"{n} {what}" for n, what in numbers if n)
    kinds = words.counted(streams, "kind of experiment", "kinds of experiment")
    return f"{words.counted(total, 'claim')} from {kinds}: {said}."


def particulars(row: Any) -> str:
    """Effect, interval, n, p, q and kind of design of a claim in one line."""
    said = []
    for label, value in facts(row):
        if label == "kind of design":
            level = str(row["level"])
            said.append(f"{level.replace('_', ' ')} ({LEVELS[level]})" if level in LEVELS else level)
        elif label in ("n", "p", "q"):
            said.append(f"{label} = {value}")
        elif label in ("effect", "bound", "interval", "model", "contrast"):
            said.append(value if label in ("model", "contrast") else f"{label} {value}")
    if str(row["status"]) != "estimated":
        said.insert(0, words.STATUS_WORDS.get(str(row["status"]), str(row["status"])))
    return "; ".join(said)


def table_lines(name: str, rows: pd.DataFrame) -> list[str]:
    """The rows of a result table, each in one line: names as they are, the rest with its heading."""
    shown = view(name, rows.drop(columns=[c for c in ("source_rows",) if c in rows.columns]))
    lines = []
    for row in shown.rows:
        said = [
            cell.text if column.name in _NAMES or column.name == "status" else f"{column.heading} {cell.text}"
            for column, cell in shown.pairs(row)
            if cell.kind != "missing" and not column.more
        ]
        lines.append(", ".join(said))
    return lines


_NAMES = ("model", "drug", "gene", "entity", "drug_a", "drug_b", "compound", "protein", "feature", "stream")


def renderables(found: Case) -> Iterable[Any]:
    """The same case for `rich.console.Console.print`, group by group. Names of the study are never read as markup."""
    from rich.padding import Padding
    from rich.text import Text

    yield Text.assemble((found.name, "bold"), f" ({found.entity_type})" if found.entity_type else "")
    yield Text(verdict(found))
    for heading, claims in found.groups:
        if claims.empty:
            continue
        yield Text(f"\n{heading}", style="bold")
        for _, row in claims.iterrows():
            yield Padding(Text(f"• {words.plain(str(row['claim']))}"), (0, 0, 0, 2))
            rows = words.rows_in_words(str(row["source_rows"]))
            yield Padding(Text(particulars(row) + (f"\nrows: {rows}" if rows else ""), style="dim"), (0, 0, 0, 4))
    for table, rows_found in found.mentions.items():
        total = found.counts[table]
        more = f" (first {len(rows_found)} of {total} rows)" if total > ROWS else ""
        yield Text(f"\nIn the table {table}{more}", style="bold")
        for line in table_lines(table, rows_found):
            yield Padding(Text(f"• {line}"), (0, 0, 0, 2))
