"""What one table of combinations can get wrong as a whole: single agents, vehicle, holes, replicates, doses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.combination.wells import DOSES, DRUGS, SURFACE, by_pair, tidy
from rechallenge.faults import Fault
from rechallenge.tables import well_rules
from rechallenge.tables.contract import place
from rechallenge.tables.well_rules import listed, numbers, plain_name, texts

#: vehicle wells further than this from 1 are said
OFF_VEHICLE = 0.15
#: neighbouring doses further apart than this leave the transition between them unseen
WIDE_STEP = 12.0
#: a design with fewer of the combinations of its doses than this is a set of rays, not a matrix with holes
MATRIX = 0.6


def shared_rules(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Vehicle and blank wells, values a little below 0, wells that are there twice."""
    doses = pd.DataFrame({d: numbers(frame, d) for d in DOSES}).max(axis=1)
    view = frame.assign(dose_um=doses)
    for rule in (
        well_rules.vehicle_on_every_plate,
        well_rules.blank_below_vehicle,
        well_rules.no_blank,
        well_rules.slightly_negative,
        well_rules.viability_goes_first,
        well_rules.wells_once,
    ):
        yield from rule(view, models)


def complete_wells(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A sample well names its model and replicate, every dose its drug, every drug its dose."""
    kind = texts(frame, "well_type").str.casefold()
    sample = kind.isin(["", "sample"])
    for name in ("model", "replicate"):
        bare = frame.index[sample & (texts(frame, name) == "")]
        if len(bare):
            yield Fault(
                f"no-{name}",
                f"a sample well without {name} belongs to no surface.",
                f"Fill in the {name}, or mark the well as vehicle or blank.",
                column=name,
                count=len(bare),
                **place(frame, bare[0]),
            )
    for drug, dose in zip(DRUGS, DOSES, strict=True):
        named = texts(frame, drug) != ""
        amount = numbers(frame, dose)
        nameless = frame.index[~named & (amount > 0)]
        if len(nameless):
            yield Fault(
                "dose-without-drug",
                f"there is a dose of {amount[nameless[0]]:g} µM of no drug.",
                f"Name the drug in {drug}, or write dose 0.",
                column=drug,
                count=len(nameless),
                **place(frame, nameless[0]),
            )
        unknown = frame.index[sample & named & amount.isna()]
        if len(unknown):
            yield Fault(
                "no-dose",
                f"{texts(frame, drug)[unknown[0]]} is named without a dose.",
                f"Write the dose in {dose} (0 where it is absent).",
                column=dose,
                count=len(unknown),
                **place(frame, unknown[0]),
            )


#: one surface: its name and its wells
Part = tuple[str, pd.DataFrame]


def surface_rules(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """The rules that look at whole surfaces, over the wells that belong to each."""
    wells = by_pair(tidy(frame).assign(_at=frame.index))
    parts = [(_named(key), part) for key, part in wells.groupby(list(SURFACE), dropna=False, sort=True)]
    samples = [(name, part[part["well_type"] == "sample"]) for name, part in parts]
    samples = [(name, part) for name, part in samples if len(part)]
    yield from vehicle_is_one(frame, parts)
    for rule in (single_agents, every_combination, biological_replicates, dose_steps):
        yield from rule(frame, samples)


def _named(key: tuple[Any, ...]) -> str:
    """A surface in words: `sorafenib + celastrol on HepG2`."""
    model, a, b, c = (str(k) for k in key[:4])
    return " + ".join(x for x in (a, b, c) if x) + f" on {model}"


def single_agents(frame: pd.DataFrame, samples: Iterable[Part]) -> Iterator[Fault]:
    """HSA and Bliss compare a combination with each drug alone at the very dose."""
    for name, part in samples:
        doses = part[list(DOSES)].to_numpy()
        present = doses > 0
        alone, both = present.sum(axis=1) == 1, present.sum(axis=1) > 1
        if not both.any():
            continue
        for j, drug in enumerate(part.iloc[0][list(DRUGS)]):
            if not drug:
                continue
            needed = set(doses[both & present[:, j], j])
            lacking = sorted(needed - set(doses[alone & present[:, j], j]))
            if lacking:
                said = listed([f"{d:g}" for d in lacking], 4)
                yield Fault(
                    "no-single-agent",
                    f"{name}: {drug} alone was not tested at {said} µM; no excess over HSA or Bliss there.",
                    f"Add {drug} alone at the doses of the combinations (the partner empty or with dose 0).",
                    severity="warning",
                    column=DRUGS[j],
                    value=str(drug),
                    count=len(lacking),
                    **place(frame, part.loc[part.index[both][0], "_at"]),
                )


def vehicle_is_one(frame: pd.DataFrame, parts: Iterable[Part]) -> Iterator[Fault]:
    """Viabilities are fractions of vehicle, so that vehicle wells are about 1."""
    for name, every in parts:
        part = every[every["viability"].notna() & (every["exclude"] == "")]
        if part.empty:
            continue
        none = part[part["well_type"] == "vehicle"]
        where = place(frame, part["_at"].iloc[0])
        if none.empty:
            yield Fault(
                "no-vehicle",
                f"{name}: no vehicle wells (all doses 0), so that it cannot be seen whether vehicle is 1.",
                "Add the vehicle wells of every replicate.",
                severity="note",
                column="viability",
                **where,
            )
            continue
        mean = float(none["viability"].mean())
        if abs(mean - 1) > OFF_VEHICLE:
            yield Fault(
                "vehicle-not-one",
                f"{name}: the vehicle wells have a mean viability of {mean:.3g}, not 1; they are used as given.",
                "Divide every viability by the vehicle wells of its plate, or give signals with well_type and plate.",
                severity="warning",
                column="viability",
                value=f"{mean:.3g}",
                **place(frame, none["_at"].iloc[0]),
            )


def every_combination(frame: pd.DataFrame, samples: Iterable[Part]) -> Iterator[Fault]:
    """A matrix has a well for every pair of its doses; a hole weighs on every mean over the matrix."""
    for name, part in samples:
        if part.iloc[0][DRUGS[2]]:
            continue
        doses = part[list(DOSES[:2])].to_numpy()
        both = (doses > 0).all(axis=1)
        if not both.any():
            yield Fault(
                "no-combination",
                f"{name}: no well holds both drugs.",
                "Add the combinations, or move single agents to the table of viability.",
                severity="warning",
                column="dose_b_um",
                **place(frame, part["_at"].iloc[0]),
            )
            continue
        seen = {(float(x), float(y)) for x, y in doses[both]}
        whole = [(x, y) for x in sorted({x for x, _ in seen}) for y in sorted({y for _, y in seen})]
        holes = [xy for xy in whole if xy not in seen]
        if holes and len(seen) >= MATRIX * len(whole):
            yield Fault(
                "hole",
                f"{name}: {len(holes)} of {len(whole)} combinations are missing, the first at {holes[0][0]:g} and "
                f"{holes[0][1]:g} µM. Means over the matrix are over those that are there.",
                "Add the wells, or leave them as they are if they were lost.",
                severity="warning",
                column="dose_b_um",
                count=len(holes),
                **place(frame, part["_at"].iloc[0]),
            )


def biological_replicates(frame: pd.DataFrame, samples: Iterable[Part]) -> Iterator[Fault]:
    """The biological replicate is the unit: one gives a score without interval or test."""
    few = []
    for name, part in samples:
        both = part[(part[list(DOSES)] > 0).sum(axis=1) > 1]
        if len(both) and (both["replicate"] == both["replicate"].iloc[0]).all():
            few.append((name, both["_at"].iloc[0]))
    if few:
        one = "it" if len(few) == 1 else "each"
        yield Fault(
            "one-replicate",
            f"{listed(n for n, _ in few)}: one biological replicate. A score can be given for {one}, without interval "
            "or test; technical wells are averaged.",
            "Repeat the experiment, and give every repetition its own replicate label.",
            severity="warning",
            column="replicate",
            count=len(few),
            **place(frame, few[0][1]),
        )


def dose_steps(frame: pd.DataFrame, samples: Iterable[Part]) -> Iterator[Fault]:
    """Doses far apart hide where an effect sets in; fewer than three doses of a drug have no curve."""
    for name, part in samples:
        for drug, dose in zip(DRUGS, DOSES, strict=True):
            named = part[drug].iloc[0]
            values = np.unique(part.loc[part[dose] > 0, dose])
            if not named or not len(values):
                continue
            where = {**place(frame, part["_at"].iloc[0]), "severity": "warning", "column": dose, "value": str(named)}
            if len(values) < 3:
                yield Fault(
                    "few-doses",
                    f"{name}: {named} at {len(values)} dose{'s' if len(values) > 1 else ''}; Loewe, ZIP, Chou-Talalay "
                    "and BRAID need three or more.",
                    "HSA and Bliss are given; add doses for the others.",
                    **where,
                )
            steps = values[1:] / values[:-1]
            if len(values) > 2 and steps.max() > WIDE_STEP:
                at = int(np.argmax(steps))
                yield Fault(
                    "wide-step",
                    f"{name}: {named} jumps {steps[at]:.3g}-fold from {values[at]:g} to {values[at + 1]:g} µM; what "
                    "happens between is not seen.",
                    "Add doses between.",
                    **where,
                )


def plausible_doses(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Doses of a drug that look like another unit than µM."""
    for drug, dose in zip(DRUGS, DOSES, strict=True):
        amounts = pd.DataFrame({"drug": texts(frame, drug), "dose": numbers(frame, dose)})
        for name, rows in amounts[(amounts["drug"] != "") & (amounts["dose"] > 0)].groupby("drug", sort=True):
            low, high = rows["dose"].min(), rows["dose"].max()
            guess = "nM" if low >= 1000 else "M" if high <= 1e-3 and low < 1e-6 else ""
            if guess:
                yield Fault(
                    "dose-unit",
                    f"the doses of {name} run from {low:g} to {high:g} µM, which look like {guess}.",
                    f"Doses are in µM; give another unit in a column {dose.removesuffix('_um')}_unit.",
                    severity="warning",
                    column=dose,
                    value=f"{low:g}",
                    **place(frame, rows.index[0]),
                )


def one_name_a_drug(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Drug names that differ only in case, or in punctuation around them, are probably one drug."""
    names = pd.concat([texts(frame, d) for d in DRUGS])
    written = names[names != ""].drop_duplicates()
    for _, same in written.groupby(written.map(plain_name), sort=True):
        if len(same) > 1:
            yield Fault(
                "drug-name",
                f"{' and '.join(sorted(same))}: the same drug? They are taken as different drugs.",
                "Write one name.",
                severity="warning",
                column="drug_a",
                value=str(sorted(same)[1]),
                **place(frame, same.index[1]),
            )
