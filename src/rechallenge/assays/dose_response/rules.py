"""What one table of wells can get wrong as a whole: vehicle wells, replicates, doses, pairs of models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import place
from rechallenge.tables.well_rules import listed, numbers, plain_name, texts, types_of

#: what identifies one dose-response curve
CURVE = ("model", "drug", "perturbation", "medium", "stage", "hours")
#: what a vehicle well must share with the wells that it is the reference of
CONDITION = ("model", "perturbation", "medium", "stage", "hours")
#: fewer doses than this and no curve can be told from another
MIN_DOSES = 3


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def _samples(frame: pd.DataFrame) -> pd.DataFrame:
    """Sample wells with their curve columns as text, for the rules that look at curves."""
    out = pd.DataFrame({c: texts(frame, c) for c in (*CURVE, "replicate", "plate", "well")})
    out["dose_um"] = numbers(frame, "dose_um")
    return out[(types_of(frame) == "sample") & (out["dose_um"] > 0)]


def _named(key: Iterable[Any], names: Iterable[str] = CURVE) -> str:
    """A curve in words: `Huh-7 LR, lenvatinib, siAKR1B1`."""
    words = []
    for name, value in zip(names, key, strict=True):
        text = str(value)
        if text and not (name == "perturbation" and text == "none"):
            words.append(f"{text} h" if name == "hours" else text)
    return ", ".join(words)


def _together(keys: Iterable[Any]) -> str:
    """Several curves in words, the first few by name."""
    return listed(_named(key) for key in keys)


def complete_samples(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Sample wells name their model, drug, dose and replicate; blanks need none of them, vehicle wells a model."""
    kind = types_of(frame)
    for name in ("model", "drug", "replicate"):
        bare = frame.index[(kind == "sample") & (texts(frame, name) == "")]
        if name == "model":
            bare = bare.union(frame.index[(kind == "vehicle") & (texts(frame, name) == "")])
        if len(bare):
            what = "a vehicle or sample well" if name == "model" else "a sample well"
            yield Fault(
                f"no-{name}",
                f"{what} without {name} belongs to no curve.",
                f"Fill in the {name}, or mark the well as blank.",
                column=name,
                count=len(bare),
                **place(frame, bare[0]),
            )
    bare = frame.index[(kind == "sample") & numbers(frame, "dose_um").isna()]
    if len(bare):
        yield Fault(
            "no-dose",
            "a sample well without a dose cannot be placed on a curve.",
            "Fill in the dose in µM (0 for vehicle).",
            column="dose_um",
            count=len(bare),
            **place(frame, bare[0]),
        )


def enough_doses(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A curve needs several doses above 0."""
    samples = _samples(frame)
    doses = samples.groupby(list(CURVE), sort=True)["dose_um"].nunique()
    short = doses[doses < MIN_DOSES]
    first = samples.reset_index(names="_at").groupby(list(CURVE), sort=True)["_at"].first()
    for n in sorted(set(short)):
        keys = short.index[short == n]
        it = "the curve" if len(keys) == 1 else "these curves"
        yield Fault(
            "few-doses",
            f"{_together(keys)}: {n} dose{'s' if n > 1 else ''} above 0 cannot give an IC50; "
            f"{it} will be typed not_estimable.",
            "Test at least 5 doses that span the IC50.",
            severity="warning",
            column="dose_um",
            count=len(keys),
            **place(frame, first.loc[keys[0]]),
        )


def biological_replicates(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """The biological replicate is the unit: one replicate gives no test, and technical wells are n = 1."""
    samples = _samples(frame)
    if samples.empty:
        return
    groups = samples.reset_index(names="_at").groupby(list(CURVE), sort=True)
    summary = groups.agg(replicates=("replicate", "nunique"), at=("_at", "first"))
    rows = samples.groupby([*CURVE, "dose_um"]).size().groupby(level=list(CURVE)).median().reindex(summary.index)
    alone = summary["replicates"] == 1
    many = summary.index[alone & (rows >= 3)]
    if len(many):
        counts = sorted({int(n) for n in rows[many]})
        wells = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
        yield Fault(
            "technical-wells",
            f"{_together(many)}: {wells} wells a dose share one replicate label. "
            "Technical wells are averaged: this is n = 1.",
            "If they come from separate experiments, give each its own replicate label.",
            severity="warning",
            column="replicate",
            count=len(many),
            **place(frame, summary.loc[many[0], "at"]),
        )
    few = summary.index[alone & (rows < 3)]
    if len(few):
        yield Fault(
            "one-replicate",
            f"{_together(few)}: one biological replicate. An IC50 can be read off, but nothing can be tested.",
            "Repeat the experiment; three biological replicates are the usual minimum.",
            severity="warning",
            column="replicate",
            count=len(few),
            **place(frame, summary.loc[few[0], "at"]),
        )


def plausible_doses(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Doses of a drug that look like another unit than µM."""
    samples = _samples(frame)
    for drug, rows in samples.groupby("drug", sort=True):
        low, high = rows["dose_um"].min(), rows["dose_um"].max()
        guess = "nM" if low >= 1000 else "M" if high <= 1e-3 and low < 1e-6 else ""
        if guess:
            yield Fault(
                "dose-unit",
                f"the doses of {drug} run from {low:g} to {high:g} µM, which look like {guess}.",
                "Doses are in µM; give another unit in a column dose_unit.",
                severity="warning",
                column="dose_um",
                value=f"{low:g}",
                **place(frame, rows.index[0]),
            )


def one_name_a_drug(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Drug names that differ only in case, or in punctuation around them, are probably one drug."""
    samples = _samples(frame)
    written = samples["drug"].drop_duplicates()
    for _, names in written.groupby(written.map(plain_name), sort=True):
        if len(names) > 1:
            yield Fault(
                "drug-name",
                f"{' and '.join(sorted(names))}: the same drug? They are taken as different drugs.",
                "Write one name.",
                severity="warning",
                column="drug",
                value=str(names.iloc[1]),
                **place(frame, names.index[1]),
            )


def pairs_tested(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A resistant model is compared with its parent: the same drugs, over doses that overlap."""
    if models is None or not {"model", "role", "parent"} <= set(models.columns):
        return
    samples = _samples(frame)
    ranges = samples.groupby(["model", "drug"])["dose_um"].agg(["min", "max"])
    first = samples.reset_index(names="_at").groupby(["model", "drug"])["_at"].first()
    tested = ranges.index.get_level_values(0)
    for row in each(models):
        if row.role != "resistant" or not row.parent or row.model not in tested:
            continue
        theirs = ranges.loc[row.parent] if row.parent in tested else ranges.iloc[:0].droplevel(0)
        # a drug that the parent has under another spelling is said by `one_name_a_drug`
        known = {plain_name(str(drug)) for drug in theirs.index}
        ours = ranges.loc[row.model]
        alone = [str(drug) for drug in ours.index if plain_name(str(drug)) not in known]
        if alone:
            yield Fault(
                "no-parental-curve",
                f"{listed(alone)} {'was' if len(alone) == 1 else 'were'} tested on {row.model} but not on its parent "
                f"{row.parent}: no resistance index.",
                f"Test {alone[0] if len(alone) == 1 else 'them'} on {row.parent} in the same experiments.",
                severity="warning",
                column="model",
                value=str(row.model),
                count=len(alone),
                **place(frame, first.loc[(row.model, alone[0])]),
            )
        for drug in ours.index.intersection(theirs.index):
            one, other = ours.loc[drug], theirs.loc[drug]
            if one["min"] > other["max"] or other["min"] > one["max"]:
                yield Fault(
                    "no-dose-overlap",
                    f"the doses of {drug} on {row.model} and on {row.parent} do not overlap.",
                    "Test both lines over one dose range.",
                    severity="warning",
                    column="model",
                    value=str(row.model),
                    **place(frame, first.loc[(row.model, drug)]),
                )
