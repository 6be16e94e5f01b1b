"""Bench read-outs: measurements with a knock-down panel, qPCR, ELISA, vesicle sizes, reporter, flux analyser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rechallenge.simulate.plan import Made, Plan

RESISTS, SENSITISES = "rise promotes resistance", "rise restores sensitivity"


def measurements(plan: Plan) -> Made:
    """Read-outs under the driver's knock-down with its rescue, along the stages, and a panel of knock-downs."""
    story, rng, links, n = plan.story, plan.rng(20), plan.links, plan.size.bench
    line, gene = story.lines[0], story.driver
    drug, low = story.resistant[story.lines[0]], f"si{story.driver}"
    sure = links.intervention
    # assay, unit, meaning, value in each group
    arms: list[tuple[str, str, str, Mapping[str, float]]] = [
        ("ROS", "fold of untreated", SENSITISES,
         {f"{drug} + siNC": 1.2, f"{drug} + {low}": 1.2 + 1.1 * sure, f"{drug} + {low} + NAC": 1.1}),
        ("Annexin V positive", "%", SENSITISES, {f"{drug} + siNC": 9.0, f"{drug} + {low}": 9.0 + 22.0 * sure}),
        ("Lipid droplets per cell", "droplets", "", {"siNC": 31.0, low: 31.0 - 14.0 * sure}),
        ("GSH", "nmol/mg", RESISTS, {"siNC": 42.0, low: 42.0 - 15.0 * sure}),
    ]  # fmt: skip
    rows = groups_of(arms, line, gene, n, rng)
    planted = {gene: 0.8 - 0.42 * sure, **dict.fromkeys(plan.panel, 0.8)}
    rows += panel_of(plan, planted, rng)
    if story.stages:
        staged = next(iter(story.stages))
        ic50 = np.log2(np.array(story.stages[staged]) / story.stages[staged][0])
        rise = story.rna[0] * links.expression / ic50[-1]
        rows += [
            (f"{gene} western", staged, "vehicle", str(r), 2 ** (rise * x) * rng.lognormal(0, 0.12), "ratio to actin",
             RESISTS, gene, f"S{i}", "", "")
            for i, x in enumerate(ic50)
            for r in range(1, n + 1)
        ]  # fmt: skip
    return Made({"measurements.csv": table_of(rows)}, ('measurements = "measurements.csv"',))


def groups_of(
    arms: Sequence[tuple[str, str, str, Mapping[str, float]]], line: str, gene: str, n: int, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Rows of read-outs (assay, unit, meaning, value in each group) of one line, the first group being the
    control; `gene` is named where the group lowers it."""
    return [
        (assay, line, group, str(r), value * day * rng.lognormal(0, 0.08), unit, meaning,
         gene if f"si{gene}" in group else "", "", "", next(iter(groups)))
        for assay, unit, meaning, groups in arms
        for r, day in enumerate(np.exp(rng.normal(0, 0.08, n)), start=1)
        for group, value in groups.items()
    ]  # fmt: skip


def table_of(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """The table `measurements` from rows, values to four digits."""
    columns = ["assay", "model", "group", "replicate", "value", "unit", "meaning", "gene", "stage", "drug", "control"]
    table = pd.DataFrame(rows, columns=columns)
    table["value"] = [float(f"{v:.4g}") for v in table["value"]]
    return table


def panel_of(plan: Plan, planted: Mapping[str, float], rng: np.random.Generator) -> list[tuple[object, ...]]:
    """A knock-down panel: viability of the first line under its therapy, by gene lowered (`planted`), and siNC."""
    line = plan.story.lines[0]
    drug = plan.story.resistant[line]
    rows: list[tuple[object, ...]] = []
    for r in range(1, plan.size.bench + 1):
        day = np.exp(rng.normal(0, 0.05))
        kept = {"siNC": 0.8, **{f"si{g}": v for g, v in planted.items()}}
        rows += [
            (f"Viability, {drug} (panel)", line, group, str(r), v * day * rng.lognormal(0, 0.07),
             "fraction of vehicle", RESISTS, "" if group == "siNC" else group[2:], "", drug, "siNC")
            for group, v in kept.items()
        ]  # fmt: skip
    return rows


def qpcr(plan: Plan) -> Made:
    """Ct of the chain in the lines and under knock-downs; two references, two wells."""
    story, rng, links = plan.story, plan.rng(21), plan.links
    gene, factor = story.driver, story.regulator
    up, other = links.expression * story.rna[0], links.expression * story.regulator_rna
    line = story.lines[0]
    arms: dict[tuple[str, str], dict[str, float]] = {
        (story.parental, "vehicle"): {gene: 0.0, factor: 0.0},
        **{(m, "vehicle"): {gene: links.expression * story.rna[k], factor: other} for k, m in enumerate(story.lines)},
        (line, "siNC"): {gene: up, factor: other},
        (line, f"si{gene}"): {gene: up - 2.2, factor: other},
        (line, f"si{factor}"): {gene: up - 1.0 * float(plan.scenario != "no_driver"), factor: other - 1.9},
        (line, story.drug): {gene: up, factor: other},
    }
    return Made({"qpcr.csv": cycles(arms, plan.size.bench, rng)}, ('qpcr = "qpcr.csv"',))


def cycles(
    arms: Mapping[tuple[str, str], Mapping[str, float]], replicates: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Ct of (model, group) -> gene -> log2 amount, with two references and two wells."""
    rows = []
    for (model, group), targets in arms.items():
        for r in range(1, replicates + 1):
            load = rng.normal(0, 0.4)
            level = {"GAPDH": 18.0, "ACTB": 19.0} | {t: 25.0 - v + rng.normal(0, 0.25) for t, v in targets.items()}
            for target, ct in level.items():
                name = f"{model} {group} {r}"
                wells = (ct + load + rng.normal(0, 0.08, 2)).round(3)
                rows += [(name, model, group, target, float(well), str(r)) for well in wells]
    return pd.DataFrame(rows, columns=["sample", "model", "group", "target", "ct", "replicate"])


def elisa(plan: Plan) -> Made:
    """The driver's protein in conditioned medium: one plate with standards, blanks and duplicate samples."""
    story, rng, links = plan.story, plan.rng(22), plan.links
    models = (story.parental, *story.lines)
    amount = {m: 180.0 * 2 ** (0.8 * links.expression * (k > 0)) for k, m in enumerate(models)}
    rows: list[dict[str, object]] = []

    def add(kind: str, value: float, **more: object) -> None:
        i = len(rows)
        seen = 0.05 + (3.9 * (value / 600) ** 1.1) / (1 + (value / 600) ** 1.1)
        rows.append({"plate": "plate 1", "well": f"{'ABCDEFGH'[i % 8]}{i // 8 + 1}", "well_type": kind, **more,
                     "absorbance": round(seen * (1 + 0.02 * rng.normal()), 4)})  # fmt: skip

    for level in (0.0, 15.6, 31.2, 62.5, 125.0, 250.0, 500.0, 1000.0):
        for _ in range(2):
            add("standard", level, concentration=level)
    for _ in range(2):
        add("blank", 0.0)
    for model, mean in amount.items():
        for r in range(1, plan.size.bench + 1):
            value, cells = mean * rng.lognormal(0, 0.12), int(rng.normal(2.5e5, 1.5e4))
            for _ in range(2):
                add("sample", value / 2, sample=f"{model} {r}", model=model, group="vehicle", replicate=str(r),
                    dilution=2, cell_number=cells)  # fmt: skip
    table = pd.DataFrame(rows).assign(unit="pg/mL", gene=story.driver, analyte=story.driver)
    return Made({"elisa.csv": table}, ('elisa = "elisa.csv"',))


def sizes(plan: Plan) -> Made:
    """Vesicles of the last line's medium by tracking analysis, with and without an inhibitor of their release."""
    rng, line = plan.rng(23), plan.story.lines[-1]
    bins = np.arange(45, 240, 15)
    rows = []
    for group, total in (("vehicle", 2.5e11), ("GW4869", 0.9e11)):
        for r in range(1, plan.size.bench + 1):
            shape = np.exp(-0.5 * (np.log(bins / 89.0) / 0.38) ** 2) / bins  # log-normal, median 89 nm
            counts = total * rng.lognormal(0, 0.12) * shape / shape.sum() * rng.lognormal(0, 0.1, len(bins))
            rows += [(line, group, str(r), int(b), float(f"{c:.3g}")) for b, c in zip(bins, counts, strict=True)]
    table = pd.DataFrame(rows, columns=["model", "group", "replicate", "size", "count"])
    return Made({"sizes.csv": table.assign(unit="nm", what="vesicles")}, ('sizes = "sizes.csv"',))


def reporter(plan: Plan) -> Made:
    """Constructs of the driver's promoter with and without the regulator: the response needs the planted site."""
    story, sure = plan.story, float(plan.scenario != "no_driver")
    arms = {("-2000/+200", ""): 1 + 2.3 * sure, ("-1000/+200", ""): 1 + 2.2 * sure, ("-400/+200", ""): 1.05,
            ("-2000/+200 mut", story.regulator): 1.1}  # fmt: skip
    table = constructs(plan, story.driver, f"{story.regulator} OE", arms, plan.rng(24))
    return Made({"reporter.csv": table}, ('reporter = "reporter.csv"',))


def constructs(
    plan: Plan, gene: str, raised: str, arms: Mapping[tuple[str, str], float], rng: np.random.Generator
) -> pd.DataFrame:
    """Luciferase ratios of (construct, mutated site) -> response to `raised`."""
    rows = []
    for (construct, site), response in arms.items():
        start, end = construct.split()[0].split("/")
        for r in range(1, plan.size.bench + 1):
            day = rng.lognormal(0, 0.1)
            for group, value in (("vector", 1.0), (raised, response)):
                rows.append((gene, plan.story.lines[0], construct, int(start), int(end), site, group, str(r),
                             round(value * day * rng.lognormal(0, 0.08), 4)))  # fmt: skip
    columns = ["gene", "model", "construct", "start", "end", "mutated", "perturbation", "replicate"]
    return pd.DataFrame(rows, columns=[*columns, "luciferase_ratio"])


def sequences(plan: Plan) -> Made:
    """The driver's promoter, with the regulator's site at -700, and 3' UTR, with a site of a microRNA at 120."""
    story, rng = plan.story, plan.rng(25)
    sure = plan.scenario != "no_driver"
    bases = np.array(list("ACGT"))

    def drawn(n: int, site: str, at: int) -> str:
        sequence = list(rng.choice(bases, n))
        if sure:
            sequence[at : at + len(site)] = list(site)
        text = "".join(sequence)
        return "\n".join(text[i : i + 70] for i in range(0, n, 70))

    promoter = f">{story.driver} -2000..+200 made up, not the real sequence\n{drawn(2200, story.motif, 1300)}\n"
    utr = f">{story.driver} 3' UTR made up, not the real sequence\n{drawn(700, story.utr_site, 120)}\n"
    return Made({"promoters.fa": promoter, "utrs.fa": utr}, ('promoters = "promoters.fa"', 'utrs = "utrs.fa"'))


def seahorse(plan: Plan) -> Made:
    """Oxygen consumption and acidification in both stress tests: resistant lines respire more and can waste more."""
    story, rng = plan.story, plan.rng(26)
    lift = 0.35 * plan.links.metabolism
    injected = {
        "mito": ("", "oligomycin", "FCCP", "rotenone + antimycin A"),
        "glyco": ("", "glucose", "oligomycin", "2-DG"),
    }
    base = {"mito": np.array([160.0, 62.0, 270.0, 35.0]), "glyco": np.array([14.0, 38.0, 62.0, 12.0])}
    rows = []
    for plate in range(1, plan.size.bench + 1):
        day = rng.lognormal(0, 0.06)
        for assay, rates in base.items():
            for k, model in enumerate((story.parental, *story.lines)):
                factor = np.ones(4)
                if k and assay == "mito":
                    factor = 1 + lift * np.array([1.0, 0.6, 1.3, 0.0])
                group = day * rng.lognormal(0, 0.05)
                for well in range(4):
                    own = group * rng.lognormal(0, 0.05)
                    for m in range(1, 13):
                        phase = (m - 1) // 3
                        value = rates[phase] * factor[phase] * own * (1 + 0.03 * rng.normal())
                        other = 30.0 if assay == "mito" else 110.0
                        rows.append((f"run {plate}", f"{'ABC'[k]}{well + 1 + 4 * (assay == 'glyco'):02d}",
                                     f"{model} {assay.upper()}", m, round(6.5 * m, 1),
                                     round(value if assay == "mito" else other, 2),
                                     round(value if assay == "glyco" else other, 2), assay,
                                     injected[assay][phase], model))  # fmt: skip
    columns = ["plate", "well", "group", "measurement", "minutes", "ocr", "ecar", "assay", "injection", "model"]
    return Made({"seahorse.csv": pd.DataFrame(rows, columns=columns)}, ('seahorse = "seahorse.csv"',))
