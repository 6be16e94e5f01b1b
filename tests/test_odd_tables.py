"""Tables that keep their contract and make no sense: whatever they say, no step fails and nothing unforeseen is read.

Two sources: random cells within the bounds of every column, and the contracts' own examples with values made equal,
zero, negative, huge or missing. Kinds in which reading finds faults are left out of the run, as a user would.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from rechallenge.analysis import discover
from rechallenge.pipeline import run
from rechallenge.study import Study
from rechallenge.tables import read_study
from rechallenge.tables.contract import Column, Contract

MODELS = ("Line P", "Line R", "Line N")
WORDS = ("vehicle", "lenvatinib", "siNC", "siAKR1B1", "A", "none", "control", "1", "=2+3", "<b>x</b>", "µ ü", "x" * 60)
GENES = ("AKR1B1", "CAV1", "IL6", "GAPDH", "MRPL12", "ILF3")
DRUGS = ("lenvatinib", "sorafenib", "epalrestat", "vehicle")
TIDY = {k: c for k, c in discover().contracts.items() if c.reader == "tidy"}


def cell(column: Column, rng: random.Random, mode: str) -> str:
    """One cell within the column's bounds."""
    pool = {"model": MODELS, "gene": GENES, "drug": DRUGS}.get(column.refers) or column.choices
    if pool:
        return rng.choice(pool)
    if column.kind == "text":
        return rng.choice(WORDS)
    low, high = max(column.low, -1e3), min(column.high, 1e4)
    any_ = rng.choice([rng.uniform(low, high), rng.lognormvariate(0, 1), float(rng.choice([0, 1, 2, 3, 10]))])
    value = min(max({"equal": 1.0, "zero": low, "huge": high}.get(mode, any_), low), high)
    if column.low_open and value <= low:
        value = low + 1e-6
    return str(round(value)) if column.kind == "integer" else repr(value)


def made_up(contract: Contract, rng: random.Random, mode: str) -> list[dict[str, str]]:
    """Rows of random cells; text comes from a pool of three a column, so that there are groups."""
    columns = [c for c in contract.columns if c.required or rng.random() < 0.7]
    group = rng.choice(contract.either) if contract.either else ()
    columns += [contract.column(n) for n in group if contract.column(n) not in columns]
    pools = {c.name: [cell(c, rng, mode) for _ in range(3)] for c in columns}
    rows = []
    for _ in range(rng.choice([1, 2, 5, 12, 40])):
        row = {}
        for c in columns:
            empty = (not c.required or c.measured) and rng.random() < 0.1
            again = c.kind == "text" or rng.random() < 0.5
            row[c.name] = "" if empty else rng.choice(pools[c.name]) if again else cell(c, rng, mode)
        rows.append(row)
    return rows


def altered(contract: Contract, rng: random.Random, mode: str) -> list[dict[str, str]]:
    """The contract's example, once for each of a few replicates, with its measured values bent."""
    example = list(csv.DictReader(io.StringIO(contract.example)))
    rows = []
    for replicate in range(1, rng.choice([1, 2, 3, 5]) + 1):
        for one in example:
            row = dict(one)
            for c in contract.columns:
                if c.name in ("replicate", "animal", "patient", "sample") and c.name in row:
                    row[c.name] = f"{row[c.name]}_{replicate}"
                elif c.measured and c.kind == "number" and row.get(c.name, "").replace(".", "", 1).isdigit():
                    value = float(row[c.name])
                    bent = {"equal": 1.0, "zero": 0.0, "negative": -value, "huge": 1e6 * value}
                    value = bent.get(mode, value * rng.lognormvariate(0, 0.2))
                    row[c.name] = "" if rng.random() < 0.05 else repr(min(max(value, c.low), c.high))
            rows.append(row)
    return rows


def models(tables: dict[str, list[dict[str, str]]]) -> Iterable[str]:
    """Every model that the tables name, the first as the parental line."""
    names = {r[c.name] for k, rows in tables.items() for c in TIDY[k].columns if c.refers == "model" for r in rows
             if r.get(c.name)}  # fmt: skip
    for i, name in enumerate(sorted({*names, *MODELS})):
        role = 'role = "resistant", parent = "Line P", selected_with = "lenvatinib"' if i % 2 else 'role = "normal"'
        yield f'"{name}" = {{ {"role = " + chr(34) + "parental" + chr(34) if name == "Line P" else role} }}'


def write(folder: Path, seed: int) -> Path:
    rng = random.Random(seed)
    mode = ("mixed", "equal", "zero", "huge", "negative")[seed % 5]
    make = altered if seed % 2 else made_up
    tables = {k: made for k, c in TIDY.items() if (made := make(c, rng, mode))}
    for kind, rows in tables.items():
        with (folder / f"{kind}.csv").open("w", newline="", encoding="utf-8") as f:
            out = csv.DictWriter(f, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
    named = [f'{k} = "{k}.csv"' for k in tables]
    toml = ["[study]", 'title = "odd"', 'therapies = ["lenvatinib"]', "[models]", *models(tables), "[tables]"]
    (folder / "study.toml").write_text("\n".join([*toml, *named]), encoding="utf-8")
    got = read_study(Study.load(folder), discover().contracts)
    assert not [f for f in got.faults if f.code in ("unreadable", "defect")], "nothing unforeseen is read"
    faulty = {Path(f.file).stem for f in got.faults if f.severity == "error"}
    kept = [n for n in named if n.split(" ")[0] not in faulty]
    assert len(kept) > len(named) / 2
    (folder / "study.toml").write_text("\n".join([*toml, *kept]), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_no_step_fails_on_tables_without_sense(seed: int, tmp_path: Path) -> None:
    record = run(write(tmp_path, seed))
    failed = [f"{s.name}: {s.reason}\n{s.traceback}" for s in record.steps if s.state == "failed"]
    assert not failed, "\n".join(failed)
    assert sum(s.state == "done" for s in record.steps) >= 10
