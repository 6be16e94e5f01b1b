"""Wells of combinations in one tidy form: drugs, doses, pairs.

A well belongs to every pair (or triple) of its model whose drugs include all drugs that it names; a well that names
one drug serves all pairs with that drug, a vehicle well serves all. A row that names the absent partner with dose 0
belongs to that pair alone: its single agent was measured beside that partner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.tables.normalise import as_text
from rechallenge.tables.well_rules import numbers, texts

LETTERS = ("a", "b", "c")
DRUGS = tuple(f"drug_{x}" for x in LETTERS)
DOSES = tuple(f"dose_{x}_um" for x in LETTERS)
#: what identifies one surface
SURFACE = ("model", *DRUGS, "perturbation", "hours")
#: what a vehicle well must share with the wells that it is the reference of
CONDITION = ("model", "perturbation", "hours")
#: what labs write where a drug is absent
ABSENT = frozenset(
    {"", "none", "vehicle", "dmso", "control", "ctrl", "untreated", "solvent", "medium", "-", "na", "n/a"}
)


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def by_surface(table: pd.DataFrame | None) -> Callable[[Any], pd.DataFrame]:
    """A look-up of the rows of one surface, by anything that has the columns `SURFACE` (a row, a mapping)."""
    if table is None:
        return lambda row: pd.DataFrame()
    groups = {_key(k): v for k, v in table.groupby(list(SURFACE), dropna=False, sort=False).indices.items()}

    def rows(row: Any) -> pd.DataFrame:
        named = row if isinstance(row, Mapping) else {name: getattr(row, name) for name in SURFACE}
        return table.iloc[groups.get(_key(named[name] for name in SURFACE), [])]

    return rows


def _key(values: Iterable[Any]) -> tuple[Any, ...]:
    """A key of a surface in which missing hours are equal to each other."""
    return tuple(None if pd.isna(v) else v for v in values)


def is_absent(name: object) -> bool:
    """Whether a drug's name says that no drug was given."""
    return str(name).strip().casefold() in ABSENT


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Every column there and typed; absent drugs are '' with dose 0, unnamed single agents have one drug only.

    `well_type` is as given, else vehicle where all doses are 0; such a sample well is vehicle too. `viability` is also
    filled from `inhibition`. Raises ValueError where a needed column is missing.
    """
    missing = [c for c in ("model", "drug_a", "dose_a_um", "drug_b", "dose_b_um") if c not in table.columns]
    if not {"viability", "inhibition", "signal"} & set(table.columns):
        missing.append("viability (or inhibition, or signal)")
    if missing:
        raise ValueError(f"the table lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    out = pd.DataFrame(index=table.index)
    for name in ("model", *DRUGS, "perturbation", "plate", "vehicle_plate", "exclude"):
        out[name] = texts(table, name)
    out["replicate"] = "1" if "replicate" not in table.columns else table["replicate"].fillna("").map(as_text)
    out["perturbation"] = out["perturbation"].where(out["perturbation"] != "", "none")
    for name in (*DOSES, "signal", "hours"):
        out[name] = numbers(table, name)
    out["viability"] = numbers(table, "viability")
    out["viability"] = out["viability"].where(out["viability"].notna(), 1.0 - numbers(table, "inhibition"))
    for drug, dose in zip(DRUGS, DOSES, strict=True):
        none = out[drug].map(is_absent)
        out[drug] = out[drug].mask(none, "")
        out[dose] = out[dose].mask(none, 0.0)
    given = texts(table, "well_type").str.casefold()
    kind = given.where(given != "", "sample")
    bare = kind.isin(["vehicle", "blank"])
    out.loc[bare, list(DOSES)] = 0.0
    out["well_type"] = kind.mask((kind == "sample") & (out[list(DOSES)].max(axis=1) == 0), "vehicle")
    # Signals without plate names: the wells of one replicate are taken as read together.
    out["plate"] = out["plate"].where(out["plate"] != "", out["replicate"])
    out["_file"] = table["_file"].astype(str) if "_file" in table.columns else ""
    out["_row"] = pd.to_numeric(table["_row"]) if "_row" in table.columns else np.nan
    return out


def pairs_of(wells: pd.DataFrame) -> dict[str, list[tuple[str, ...]]]:
    """Model -> its drug pairs and triples, each in the order in which the table mostly names it (ties by name)."""
    named = wells.loc[wells["well_type"] != "blank", ["model", *DRUGS]]
    counts = named.value_counts(sort=False)
    seen: dict[tuple[str, tuple[str, ...]], Counter[tuple[str, ...]]] = {}
    for key, n in counts.items():
        model, *drugs = (str(k) for k in key)  # type: ignore[attr-defined]
        order = tuple(d for d in drugs if d)
        if len(order) > 1:
            seen.setdefault((model, tuple(sorted(order))), Counter())[order] += int(n)
    out: dict[str, list[tuple[str, ...]]] = {}
    for (model, _), orders in seen.items():
        out.setdefault(model, []).append(min(orders, key=lambda o: (-orders[o], o)))
    return {m: sorted(out[m]) for m in sorted(out)}


def by_pair(wells: pd.DataFrame) -> pd.DataFrame:
    """The wells once per pair (or triple) that they belong to, drugs and doses in that pair's order.

    Blank wells are left out. To a triple belong the pairs inside it as well. A sham (one drug on both sides) keeps its
    two sides.
    """
    used = wells[wells["well_type"] != "blank"].reset_index(drop=True)
    names = used[list(DRUGS)].to_numpy(dtype=object)
    doses = used[list(DOSES)].to_numpy(dtype=np.float64)
    codes, sets = pd.factorize(
        pd.Series([(m, *sorted(filter(None, n))) for m, n in zip(used["model"], names, strict=True)])
    )
    where = _positions(codes, sets)
    rows, placed, drugs = [], [], []
    for model, pairs in pairs_of(wells).items():
        for pair in pairs:
            parts = {tuple(sorted(c)) for k in range(len(pair) + 1) for c in combinations(pair, k)}
            at = np.sort(np.concatenate([where.get((model, *part), _NONE) for part in parts]))
            if len(set(pair)) < len(pair):
                own = doses[at]
            else:
                own = np.zeros((len(at), len(LETTERS)))
                for j, drug in enumerate(pair):
                    own[:, j] = np.where(names[at] == drug, doses[at], 0.0).sum(axis=1)
            rows.append(at)
            placed.append(own)
            drugs.append(np.broadcast_to(np.array([*pair, ""][: len(LETTERS)], dtype=object), (len(at), len(LETTERS))))
    if not rows:
        return used.iloc[:0]
    out = used.iloc[np.concatenate(rows)].reset_index(drop=True)
    out[list(DRUGS)] = np.concatenate(drugs)
    out[list(DOSES)] = np.concatenate(placed)
    return out


_NONE = np.empty(0, dtype=np.int64)


def _positions(codes: np.ndarray, sets: Any) -> dict[Any, np.ndarray]:
    """Rows of every set of drugs."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(sets) + 1))
    return {key: order[bounds[i] : bounds[i + 1]] for i, key in enumerate(sets)}
