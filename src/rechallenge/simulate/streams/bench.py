"""Dose-response plates, combination matrices, the screen, re-challenge, medium and rescue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.simulate import combinations, library, plates
from rechallenge.simulate.plan import Made, Plan

HILL, EINF = 1.6, 0.06


def curves(plan: Plan) -> pd.DataFrame:
    """Planted curves (columns of `truth.huh7`): every drug in every line, the stages, the driver lowered and raised."""
    story = plan.story
    lines = (story.parental, *story.lines)
    drugs = [*story.therapies, story.drug, *(d for d in story.ic50 if d not in (*story.therapies, story.drug))]
    rows = [
        (m, d, "none", "", v, 0.04 * v, _top(story.ic50[d]), "planted")
        for d in drugs[: plan.size.drugs + 1]
        for m, v in zip(lines, story.ic50[d], strict=True)
    ]
    rows += [
        (line, story.resistant[line], "none", f"S{i}", v, 0.04 * v, _top(story.ic50[story.resistant[line]]), "planted")
        for line, values in story.stages.items()
        for i, v in enumerate(values)
    ]
    links = plan.links.intervention
    fold = 1 + (story.knockdown - 1) * links
    for k, line in enumerate(story.lines, start=1):
        drug = story.resistant[line]
        value, top = story.ic50[drug][k], _top(story.ic50[drug])
        lowered = {story.driver: fold, **{g: 1 + (f - 1) * links for g, f in story.also_lowered.items()}}
        rows += [(line, drug, "siNC", "", value, 0.04 * value, top, "planted")]
        rows += [(line, drug, f"si{g}", "", value / f, 0.04 * value, top, "planted") for g, f in lowered.items()]
        for other in story.lowered_under:
            value, top = story.ic50[other][k], _top(story.ic50[other])
            rows += [(line, other, p, "", value / f, 0.04 * value, top, "planted")
                     for p, f in (("siNC", 1.0), (f"si{story.driver}", fold)) if other != drug]  # fmt: skip
    drug = story.therapies[0]
    value, top = story.ic50[drug][0], _top(story.ic50[drug])
    rows += [(story.parental, drug, "vector", "", value, 0.04 * value, top, "planted"),
             (story.parental, drug, f"{story.driver} OE", "", value * (1 + 0.7 * (fold - 1)), 0.04 * value, top,
              "planted")]  # fmt: skip
    out = pd.DataFrame(
        rows, columns=["model", "drug", "perturbation", "stage", "ic50_um", "ic50_sd", "top_um", "origin"]
    )
    return out.assign(hill=HILL, einf=EINF)


def _top(ic50: tuple[float, ...]) -> float:
    """The highest dose on the plates: about five times the highest IC50, as a lab would round it."""
    return float(f"{5 * max(v for v in ic50 if np.isfinite(v)):.1g}")


def viability(plan: Plan) -> Made:
    """Raw wells of all curves."""
    table = plates.wells(curves(plan), replicates=plan.size.bench, seed=plan.seed)
    return Made({"viability.csv": table}, ('viability = "viability.csv"',))


def combination(plan: Plan) -> Made:
    """Each resistant line's therapy with the drug, and the same in normal cells, where they do not interact."""
    story = plan.story
    power = 1.0 + 1.1 * plan.links.intervention * plan.links.engagement
    parts = []
    for k, (line, therapy) in enumerate(story.resistant.items(), start=1):
        ic50 = story.ic50[therapy][k]
        top = float(f"{1.4 * ic50:.2g}")
        steps = tuple(float(f"{top / 2**i:.2g}") for i in range(5))
        own = combinations.Agent(therapy, ic50, HILL, 1.0, steps)
        name = story.partner(therapy)
        drug = combinations.Agent(name, story.ic50[name][k], 1.3, 1.0, story.doses)
        seed = 1000 * plan.seed + k
        reps = plan.size.bench
        parts.append(combinations.matrix(own, drug, model=line, interaction=power, replicates=reps, wells=1, seed=seed))
        normal = combinations.Agent(therapy, 4.0 * ic50, HILL, 1.0, steps)
        mild = combinations.Agent(name, 20.0 * max(story.doses), 1.3, 1.0, story.doses)
        parts.append(combinations.matrix(normal, mild, model=story.normal, replicates=reps, wells=1, seed=seed + 500))
    return Made({"combination.csv": pd.concat(parts, ignore_index=True)}, ('combination = "combination.csv"',))


def screen(plan: Plan) -> Made:
    """A library beside the last line's therapy; the drug is in it, with two compounds of its class."""
    story = plan.story
    line = story.lines[-1]
    planted = -0.9 * plan.links.intervention * plan.links.engagement
    compounds = library.library(plan.size.library, interaction=-0.9, lone_hits=4, seed=plan.seed)
    own = dict(zip(library.PLANTED, (story.drug, *_CLASS.get(story.drug, ("classmate 1", "classmate 2"))), strict=True))
    compounds["compound"] = compounds["compound"].replace(own)
    compounds["class"] = compounds["class"].replace({library.PLANTED_CLASS: f"{story.drug} class"})
    compounds.loc[compounds["compound"].isin(list(own.values())), "interaction"] = planted
    anchor = story.resistant[line]
    wells = library.wells(
        compounds, model=line, anchor=anchor, anchor_um=round(0.4 * story.ic50[anchor][-1], 1), doses_um=(10.0,),
        replicates=3, seed=plan.seed,
    )  # fmt: skip
    return Made({"screen.csv": wells}, ('screen = "screen.csv"',))


_CLASS: Mapping[str, tuple[str, str]] = {
    "epalrestat": ("zopolrestat", "fidarestat"),
    "lefamulin": ("retapamulin", "valnemulin"),
}


def sequences(plan: Plan) -> Made:
    """Pretreat and re-challenge, conditioned medium, and death-pathway inhibitors, on the last line."""
    story, rng, links = plan.story, plan.rng(10), plan.links
    line, n = story.lines[-1], plan.size.bench + 1
    therapy = story.resistant[line]
    dose = round(0.4 * story.ic50[therapy][-1], 1)
    sure = links.intervention * links.engagement
    pre = f"{story.drug} {story.doses[-2]:g} µM"
    schedule = conditions(
        {
            ("vehicle", therapy, 0.0): 1.0, ("vehicle", therapy, dose): 0.8,
            (pre, therapy, 0.0): 0.97, (pre, therapy, dose): 0.78 - 0.36 * sure,
        },
        ("pretreatment", "challenge_drug", "challenge_um"), n, rng,
    ).assign(model=line, hours_pre=24, hours_challenge=72)  # fmt: skip
    medium = {
        (story.parental, "none"): 0.35, (line, "none"): 0.35 + 0.33 * sure, (line, "freeze-thaw"): 0.36,
        (line, "exosome-depleted"): 0.38, (line, "IgG"): 0.35 + 0.33 * sure,
        (line, f"anti-{story.driver}"): 0.35 + 0.1 * sure,
    }  # fmt: skip
    transfer = conditions(
        {(*k, therapy, d): v if d else 1.0 for k, v in medium.items() for d in (0.0, dose)},
        ("medium", "modifier", "drug", "dose_um"), n, rng,
    ).assign(recipient=story.parental)  # fmt: skip
    both = f"{therapy} {dose:g} µM + {pre}"
    inhibitors = {"none": 0.3, **{i: 0.3 + 0.6 * share for i, share in story.rescue.items()}}
    rescue = conditions(
        {**{("vehicle", i): 1.0 for i in inhibitors}, **{(both, i): v for i, v in inhibitors.items()}},
        ("treatment", "inhibitor"), n, rng,
    ).assign(model=line)  # fmt: skip
    files: dict[str, pd.DataFrame | str] = {"schedule.csv": schedule, "transfer.csv": transfer, "rescue.csv": rescue}
    return Made(files, tuple(f'{name[:-4]} = "{name}"' for name in files))


def conditions(
    planted: Mapping[Any, float],
    names: tuple[str, ...],
    replicates: int,
    rng: np.random.Generator,
    *,
    wells: int = 3,
    noise: float = 0.05,
    biology: float = 0.05,
) -> pd.DataFrame:
    """Wells of every condition: its labels (`names`), replicate, viability. `noise` is the SD of a well's ln viability,
    `biology` that of a condition between biological replicates."""
    rows = []
    for replicate in range(1, replicates + 1):
        for condition, value in planted.items():
            mean = value * np.exp(rng.normal(0, biology))
            seen = mean * np.exp(rng.normal(0, noise, wells))
            rows += [(*condition, str(replicate), round(float(v), 4)) for v in seen]
    return pd.DataFrame(rows, columns=[*names, "replicate", "viability"])
