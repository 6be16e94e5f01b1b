"""Transcriptomes, proteome, metabolome, fatty acids, traced glucose, and what lies beside them (sets, networks)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from rechallenge.simulate import metabolism
from rechallenge.simulate.plan import DRIVER, OTHER, Made, Plan, coded, regulated

#: profile of fatty acids (area, arbitrary units) and of the triglycerides that rise with the chain
FATTY_ACIDS = {
    "14:0": 4.0, "16:0": 30.0, "16:1": 5.0, "18:0": 18.0, "18:1": 24.0, "18:2": 9.0, "20:4": 7.0, "22:6": 3.0,
    "PC 34:1": 52.0, "PC 36:2": 31.0, "PC 38:4": 18.0, "TG 50:1": 22.0, "TG 52:2": 40.0, "TG 54:3": 16.0,
}  # fmt: skip
#: traced metabolites: formula, and the share that comes from [U-13C]glucose whole, in parental and resistant lines
TRACED = {
    "lactate": ("C3H6O3", 0.62, 0.60), "sorbitol": ("C6H14O6", 0.35, 0.60), "fructose": ("C6H12O6", 0.30, 0.52),
    "glycerol-3-phosphate": ("C3H9O6P", 0.30, 0.42), "alanine": ("C3H7NO2", 0.30, 0.31),
}  # fmt: skip


def expression(plan: Plan) -> Made:
    """Counts of two data sets: lines with and without the drug, and the stages of the first line's escalation."""
    genome, rng, n = plan.genome, plan.rng(1), plan.size.omics
    story = plan.story
    change = [genome[f"change {k}"].to_numpy() for k in range(len(story.lines))]
    none = np.zeros(len(genome))
    groups = [(story.parental, "vehicle", "", none)]
    groups += [(line, "vehicle", "", change[k]) for k, line in enumerate(story.lines)]
    back = genome["reversed"].to_numpy()
    groups += [(line, story.treatment or story.drug, "", change[k] + back) for k, line in enumerate(story.lines)]
    values, sheet = _counts(plan, groups, n, rng)
    files: dict[str, pd.DataFrame | str] = {"expression.csv": values, "expression_samples.csv": sheet}
    source = 'values = "{0}.csv", samples = "{0}_samples.csv", unit = "counts", name = "{1}"'
    sources = [source.format("expression", "RNA-seq of the lines")]
    if story.stages:
        line = next(iter(story.stages))
        ic50 = np.log(np.array(story.stages[line]))
        share = (ic50 - ic50[0]) / (ic50[-1] - ic50[0])
        of = change[story.lines.index(line)]
        steps = [(line, "vehicle", f"S{i}", of * s) for i, s in enumerate(share)]
        values, sheet = _counts(plan, steps, 2, rng)
        files |= {"escalation.csv": values, "escalation_samples.csv": sheet}
        sources.append(source.format("escalation", "RNA-seq of the escalation"))
    return Made(files, ("expression = [{}]".format(", ".join(f"{{ {s} }}" for s in sources)),))


def _counts(
    plan: Plan, groups: list[tuple[str, str, str, np.ndarray]], n: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Negative-binomial counts [genes, samples] of groups (model, treatment, stage, log2 change) and their sheet."""
    genome = plan.genome
    level, sd = genome["level"].to_numpy(), genome["sd"].to_numpy()
    shape = 1.0 / np.maximum((sd * np.log(2)) ** 2, 1e-4)
    columns: dict[str, np.ndarray] = {}
    rows = []
    for model, treatment, stage, change in groups:
        for r in range(1, n + 1):
            mean = np.exp2(level + change)
            mean *= 6e3 * len(genome) / mean.sum() * np.exp(rng.normal(0, 0.2)) / 20
            name = " ".join(filter(None, (model, stage, "" if treatment == "vehicle" else treatment, str(r))))
            name = name.replace(" ", "_")
            columns[name] = rng.poisson(rng.gamma(shape, mean / shape))
            rows.append((name, model, treatment, stage, str(r)))
    sheet = pd.DataFrame(rows, columns=["sample", "model", "treatment", "stage", "replicate"])
    return pd.DataFrame({"gene": genome["gene"], **columns}), sheet


def proteins(plan: Plan) -> Made:
    """Intensities: proteins follow their transcripts by 0.7; of weak ones some values are missing."""
    genome, rng, story = plan.genome, plan.rng(2), plan.story
    chosen = _measured(plan, rng)
    part = genome.loc[chosen].reset_index(drop=True)
    level = 16 + part["level"].to_numpy() + rng.normal(0, 1.5, len(part))
    columns: dict[str, np.ndarray] = {}
    rows = []
    for k, model in enumerate((story.parental, *story.lines)):
        change = 0.7 * part[f"change {k - 1}"].to_numpy() if k else np.zeros(len(part))
        for r in range(1, plan.size.omics + 1):
            value = level + change + 0.25 * rng.standard_normal(len(part)) + rng.normal(0, 0.1)
            gone = rng.random(len(part)) < 1 / (1 + np.exp(1.5 * (value - 17.5)))
            name = f"{model}_{r}".replace(" ", "_")
            columns[name] = np.where(gone, np.nan, np.exp2(value).round(0))
            rows.append((name, model, "vehicle", str(r)))
    sheet = pd.DataFrame(rows, columns=["sample", "model", "treatment", "replicate"])
    table = pd.DataFrame({"protein": part["gene"], **columns})
    line = (
        'proteins = { values = "proteins.csv", samples = "proteins_samples.csv", unit = "intensity", '
        'name = "proteome of the lines" }'
    )
    return Made({"proteins.csv": table, "proteins_samples.csv": sheet}, (line,))


def _measured(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Which genes the proteome holds: the chain, and others the likelier the higher they are."""
    genome = plan.genome
    chain = ~genome["role"].isin([OTHER, "passenger", "confounder", "proliferation", "regulated"])
    weight = np.exp2(0.5 * genome["level"].to_numpy()) * ~chain.to_numpy()
    others = rng.choice(len(genome), plan.size.proteins - int(chain.sum()), replace=False, p=weight / weight.sum())
    chosen = np.sort(np.concatenate([np.flatnonzero(chain), others]))
    return chosen[[coded(str(g)) for g in genome["gene"].iloc[chosen]]]


def metabolites(plan: Plan) -> Made:
    """Areas with pooled QC and blank samples; the chain's compounds move where metabolism is planted."""
    links, rng = plan.links, plan.rng(3)
    planted: metabolism.Scenario = "driver" if links.metabolism else "null"
    made = metabolism.tables(planted, n=2 * plan.size.omics, seed=plan.seed)
    values = made["metabolite_values"].pivot_table(index="feature", columns="sample", values="value", sort=True)
    sheet = made["metabolites_samples"]
    middle = values.mean(axis=1).to_numpy()
    runs = list(values.columns[rng.permutation(values.shape[1])])
    table = {"metabolite": list(values.index)}
    rows, order = [], 0
    by = sheet.set_index("sample")

    def take(name: str, level: np.ndarray, kind: str, model: str = "", replicate: str = "") -> None:
        nonlocal order
        order += 1
        drift = 1 - 0.004 * order
        table[name] = (np.exp2(level) * drift).round(0).tolist()
        rows.append((name, model, "", replicate, kind, order))

    for i, name in enumerate(runs):
        if i % 6 == 0:
            take(f"QC_{i // 6 + 1}", middle + 0.08 * rng.standard_normal(len(middle)), "qc")
        level = values[name].to_numpy()
        take(name, level, "sample", str(by.loc[name, "model"]), str(by.loc[name, "replicate"]))
    take("QC_last", middle + 0.08 * rng.standard_normal(len(middle)), "qc")
    take("blank_1", middle - 9 + rng.standard_normal(len(middle)), "blank")
    columns = ["sample", "model", "treatment", "replicate", "sample_type", "order"]
    line = (
        'metabolites = { values = "metabolites.csv", samples = "metabolites_samples.csv", unit = "area", '
        'name = "metabolome of the lines" }'
    )
    files = {"metabolites.csv": pd.DataFrame(table), "metabolites_samples.csv": pd.DataFrame(rows, columns=columns)}
    return Made(dict(files), (line,))


def fatty_acids(plan: Plan) -> Made:
    """Areas of fatty acids and lipids; triglycerides rise in resistant lines where metabolism is planted."""
    rng, story = plan.rng(4), plan.story
    names = list(FATTY_ACIDS)
    rise = np.where([n.startswith("TG") for n in names], 0.8 * plan.links.metabolism, 0.0)
    columns: dict[str, np.ndarray] = {}
    rows = []
    for k, model in enumerate((story.parental, *story.lines)):
        for r in range(1, plan.size.omics + 2):
            level = np.log2(list(FATTY_ACIDS.values())) + rise * (k > 0) + 0.15 * rng.standard_normal(len(names))
            name = f"{model}_fa{r}".replace(" ", "_")
            columns[name] = (1000 * np.exp2(level + rng.normal(0, 0.1))).round(0)
            rows.append((name, model, "vehicle", str(r)))
    sheet = pd.DataFrame(rows, columns=["sample", "model", "treatment", "replicate"])
    line = 'fatty_acids = { values = "fatty_acids.csv", samples = "fatty_acids_samples.csv", unit = "area" }'
    return Made(
        {"fatty_acids.csv": pd.DataFrame({"lipid": names, **columns}), "fatty_acids_samples.csv": sheet}, (line,)
    )


def isotopologues(plan: Plan) -> Made:
    """Raw areas after 24 h of [U-13C]glucose with natural abundance mixed in."""
    from rechallenge.omics.tracing.correction import matrix

    rng, story, sure = plan.rng(5), plan.story, plan.links.metabolism
    rows = []
    for k, model in enumerate((story.parental, *story.lines)):
        for r in range(1, plan.size.bench + 1):
            for name, (formula, parental, resistant) in TRACED.items():
                system = matrix(formula, "13C", purity=0.99)
                carbons = system.shape[1] - 1
                whole = parental + sure * (resistant - parental) * (k > 0) + rng.normal(0, 0.02)
                mid = np.full(carbons + 1, 0.01)
                mid[carbons] = whole
                mid[0] = 1 - mid[1:].sum()
                areas = 1e6 * rng.lognormal(0, 0.1) * (system @ mid)
                areas *= 1 + 0.01 * rng.standard_normal(len(areas))
                rows += [
                    (f"{model} {r}", model, "vehicle", str(r), 24, "[U-13C]glucose", name, formula, f"M+{m}", round(a))
                    for m, a in enumerate(np.maximum(areas, 0))
                ]
    columns = ["sample", "model", "treatment", "replicate", "hours", "tracer", "metabolite", "formula", "isotopologue"]
    table = pd.DataFrame(rows, columns=[*columns, "area"])
    return Made({"isotopologues.csv": table}, ('isotopologues = "isotopologues.csv"',))


def beside(plan: Plan) -> Made:
    """A contrast of another laboratory, a network, the regulator's targets and a signature of the study's own."""
    genome, rng, story = plan.genome, plan.rng(6), plan.story
    n = len(genome)
    drift = 0.25 * rng.standard_normal(n) + 0.9 * rng.standard_normal(n) * (rng.random(n) < 0.08)
    known = genome["role"].isin([DRIVER, "regulator", "effector", "regulated", "confounder", "proliferation"])
    true = np.where(known, 0.8 * genome["change 0"], drift)
    se = 0.25 * np.ones(n)
    log2fc = true + se * rng.standard_normal(n)
    public = pd.DataFrame(
        {
            "dataset": "made-up public series", "contrast": f"another line resistant to {story.therapies[-1]} vs its "
            "parent", "layer": "rna", "feature": genome["gene"], "log2fc": log2fc.round(4), "se": se, "n": 6,
        }
    )  # fmt: skip
    chain = list(filter(None, (story.regulator, story.driver, *story.effectors)))
    pairs = [(a, b, 0.9) for a, b in pairwise(chain)]
    others = genome["gene"].to_numpy()
    for gene in others[rng.permutation(n)[: n // 3]]:
        partners, scores = rng.choice(others, 3), rng.uniform(0.4, 0.99, 3).round(3)
        pairs += [(str(gene), str(g), float(s)) for g, s in zip(partners, scores, strict=True) if g != gene]
    network = pd.DataFrame(pairs, columns=["protein_a", "protein_b", "score"])
    network = network.drop_duplicates(["protein_a", "protein_b"])
    targets = [story.driver, *regulated(story, list(others))] if story.regulator else []
    regulon = [(story.regulator, t, 1.0) for t in targets]
    for i in range(20):  # factors without any change in activity
        regulon += [(f"TF{i + 1:02d}", str(t), 1.0) for t in rng.choice(others, 15, replace=False)]
    regulons = pd.DataFrame(regulon, columns=["tf", "target", "weight"]).drop_duplicates(["tf", "target"])
    sets = pd.DataFrame({"set": "chain of the study", "gene": chain, "collection": "own"})
    files: dict[str, pd.DataFrame | str] = {
        "contrast_results.csv": public, "interactions.csv": network, "regulons.csv": regulons, "gene_sets.csv": sets,
    }  # fmt: skip
    return Made(files, tuple(f'{name[:-4]} = "{name}"' for name in files))
