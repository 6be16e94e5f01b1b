"""One simulated study with every assay at once and one planted chain.

>>> from rechallenge import simulate
>>> folder = simulate.write_whole("my_study", scenario="driver", seed=1)          # doctest: +SKIP

Two resistant lines share their parental samples; each has a clonal drift of its own, both share passengers, and genes
of proliferation and others tell the prognosis without driving anything. What is planted is in `planted.csv` (every gene
with its role and effects) and `truth.json` (scenario, links of the chain, sizes).

Scenarios: `driver` (every link of the chain), `no_driver` (passengers and confounders only), `no_expression` (the
driver is not expressed more: intervention, metabolism, engagement and patients show it), `no_clinic` (no patients),
`contradicted` (the patients have the driver low where the outcome is worse).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.simulate.plan import AKR1B1, SCENARIOS, SIZES, Made, Plan, Scenario, Size, Story
from rechallenge.simulate.streams import animals, bench, cells, omics, patients, readouts, target

Streams = Sequence[Callable[[Plan], Made]]
#: what makes the tables, in the order of study.toml
STREAMS: Streams = (
    bench.viability, bench.combination, bench.screen, bench.sequences, omics.expression, omics.proteins,
    omics.metabolites, omics.fatty_acids, omics.isotopologues, omics.beside, readouts.measurements, readouts.qpcr,
    readouts.elisa, readouts.sizes, readouts.reporter, readouts.sequences, readouts.seahorse, target.thermal_shift,
    target.binding, animals.tumours, patients.cohorts, cells.cells,
)  # fmt: skip

_HEAD = """\
# Simulated; nothing here was measured. What was planted is in planted.csv and truth.json.
[study]
title = {title}
description = {about}
therapies = {therapies}      # the drugs whose resistance is in question
seed = {seed}

[models]                                      # role: parental, resistant, normal, patient or other
{models}

[tables]                                      # table kind = file, glob, or a list of them
{tables}
"""


def write_whole(
    folder: str | Path,
    *,
    scenario: Scenario = "driver",
    seed: int = 0,
    size: str | Size = "full",
    story: Story = AKR1B1,
    streams: Streams = STREAMS,
) -> Path:
    """Write a simulated study with every assay into `folder` and return it.

    `size` is "full", "small" (for tests) or a `Size`. The same arguments give the same bytes. Raises InputFaults where
    the folder already holds a study that no simulation wrote, and ValueError for an unknown scenario or size.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"scenario must be one of {', '.join(SCENARIOS)}, not {scenario!r}")
    if isinstance(size, str) and size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}, not {size!r}")
    plan = Plan(story, scenario, SIZES[size] if isinstance(size, str) else size, seed)
    folder = Path(folder)
    free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables: list[str] = []
    for stream in streams:
        made = stream(plan)
        tables += made.tables
        for name, content in made.files.items():
            save(folder / name, content)
    save(folder / "planted.csv", plan.genome)
    save(folder / "truth.json", json.dumps(truth(plan), indent=1, ensure_ascii=False) + "\n")
    save(folder / "study.toml", study_file(plan, tables))
    return folder


def free(folder: Path) -> None:
    """Raise InputFaults where the folder holds a study that no simulation wrote; what an earlier simulation said of its
    truth goes."""
    if (folder / "study.toml").exists() and not (folder / "planted.csv").exists():
        raise InputFaults(
            [
                Fault(
                    "study-exists",
                    "this folder already holds a study.",
                    "Name another folder for the simulated one.",
                    file=str(folder),
                )
            ]
        )
    (folder / "truth.json").unlink(missing_ok=True)


def save(path: Path, content: Any) -> None:
    """Write a table or text, the same bytes on every platform, or an AnnData."""
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="\n")
    elif isinstance(content, pd.DataFrame):
        content.to_csv(path, index=False, lineterminator="\n")
    else:
        content.write_h5ad(path)


def study_file(plan: Plan, tables: Sequence[str]) -> str:
    """The text of study.toml."""
    story = plan.story

    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    models = [f'{text(story.parental)} = {{ role = "parental" }}']
    models += [
        f'{text(m)} = {{ role = "resistant", parent = {text(story.parental)}, selected_with = {text(d)} }}'
        for m, d in story.resistant.items()
    ]
    models.append(f'{text(story.normal)} = {{ role = "normal" }}')
    out = _HEAD.format(
        title=text(story.title), about=text(story.about), therapies=json.dumps(list(story.therapies)), seed=plan.seed,
        models="\n".join(models), tables="\n".join(tables),
    )  # fmt: skip
    if plan.links.patients:
        out += "\n[options.clinical_candidates]                  # genes named before the patients were looked at\n"
        out += f"genes = {json.dumps([*story.chain, *plan.panel])}\n"
        out += "\n[options.survival_fits]                        # what the patients differ in besides the gene\n"
        out += 'confounders = ["age", "sex", "tumour_stage"]\n'
        if story.subgroup:
            out += f"\n[options.subgroups]\nfactors = {json.dumps([story.subgroup[0]])}\n"
    if story.questions:
        out += "\n[options.regulators]                           # genes whose regulators are asked for\n"
        out += f"genes = {json.dumps(list(story.questions))}\n"
    for drug, value in story.exposure.items():
        out += f"\n[exposure.{text(drug)}]\ncmax_total = {value:g}\n"
    return out


def truth(plan: Plan) -> dict[str, object]:
    """What is planted, for `truth.json`: scenario, driver, links, and the effects that tables are made with."""
    story, links = plan.story, plan.links
    there = plan.scenario != "no_driver"
    return {
        "simulated": "nothing here was measured",
        "scenario": plan.scenario,
        "seed": plan.seed,
        "size": asdict(plan.size),
        "driver": story.driver if there else None,
        "followed": story.driver,
        "direction": 1 if there else 0,
        "drug": story.drug,
        "links": {
            f"{story.drug} acts on {story.target or story.driver}": links.engagement,
            **({f"{story.regulator} regulates {story.driver}": float(there)} if story.regulator else {}),
            f"{story.driver} expressed more in resistant lines": links.expression,
            f"{story.driver} changes metabolism": links.metabolism * float(bool(story.metabolites)),
            f"lowering {story.driver} restores sensitivity": links.intervention,
            f"high {story.driver} in patients goes with worse outcome": links.clinic,
        },
        "fold_of_ic50_by_knockdown": 1 + (story.knockdown - 1) * links.intervention,
        "ic50_um": {d: list(v) for d, v in story.ic50.items()},
        "log2fc": {
            f"{m} vs {story.parental}": links.expression * change
            for m, change in zip(story.lines, story.rna, strict=True)
        },
        "melting_shift_c": target.SHIFT * links.engagement,
        "synergy": bool(links.engagement and links.intervention),
        "kd_um": story.kd_um if links.engagement else None,
    }
