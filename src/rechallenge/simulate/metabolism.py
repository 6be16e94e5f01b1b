"""Simulated metabolomes and transcriptomes of resistant lines with a planted key enzyme.

What is planted by us and what is not: the chain glucose -> sorbitol -> fructose -> triglyceride and AKR1B1 as its key
enzyme are those of the published study of lenvatinib- and sorafenib-resistant Huh-7 cells; effect sizes, noise, the
correlation of metabolites, clonal drift and passengers are assumptions, named in `Noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import knowledge
from rechallenge.simulate.truth import LENVATINIB_RESISTANT, PARENTAL, SORAFENIB_RESISTANT

Floats = NDArray[np.float64]
Scenario = Literal["driver", "flat", "opposed", "null"]

KEY = "AKR1B1"
#: log2 change in the resistant lines of the compounds of the planted chain
CHAIN = {
    "sorbitol": 1.2, "fructose": 1.0, "fructose-1-phosphate": 0.8, "glycerol-3-phosphate": 0.6,
    "diacylglycerol": 0.5, "triacylglycerol": 0.8, "glucose": -0.3,
}  # fmt: skip
#: log2 change of its mRNA
KEY_LOG2FC = 1.6
#: compounds that are seldom measured: unstable, low, or not separated from an isomer
UNMEASURED = frozenset(
    {
        "6-phosphogluconolactone", "1,3-bisphosphoglycerate", "glyceraldehyde", "5-phosphoribosylamine",
        "glycinamide ribonucleotide", "SAICAR", "5-aminoimidazole ribonucleotide", "betaine aldehyde",
        "3-phosphohydroxypyruvate", "N-formylkynurenine", "1-pyrroline-5-carboxylate", "oxaloacetate",
        "acetoacetyl-CoA", "(2E)-octenoyl-CoA", "(2E)-hexadecenoyl-CoA", "(S)-3-hydroxyhexadecanoyl-CoA",
        "gamma-linolenoyl-CoA", "dihomo-gamma-linolenoyl-CoA", "palmitoleoyl-CoA", "oleoyl-CoA", "octanoyl-CoA",
        "linoleoyl-CoA", "arachidonoyl-CoA", "lysophosphatidic acid", "phosphatidic acid", "squalene 2,3-epoxide",
        "farnesyl diphosphate", "myo-inositol-3-phosphate", "fructose-2,6-bisphosphate", "erythrose-4-phosphate",
        "5,10-methylenetetrahydrofolate", "5,10-methenyltetrahydrofolate", "10-formyltetrahydrofolate",
        "dihydrofolate", "tetrahydrofolate", "glycogen", "fatty acid", "monoacylglycerol", "dADP", "dGDP", "dCDP",
        "dUDP", "sedoheptulose", "decarboxylated S-adenosylmethionine", "homogentisate", "4-hydroxyphenylpyruvate",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """Log2 units: `sd` of a metabolite between replicates (median; it varies with `sd_spread`), `shared` part of the
    variance in common factors, half of it in a factor of each pathway that moves its compounds alike, `tail` degrees
    of freedom of the noise; `drift` SD of clonal changes in `drifting` of the metabolites; `passengers` of the genes
    change with SD `passenger_sd`; `rna_se` of a mean of RNA replicates."""

    sd: float = 0.35
    sd_spread: float = 0.4
    shared: float = 0.35
    factors: int = 5
    tail: float = 8.0
    drifting: float = 0.25
    drift: float = 0.5
    passengers: float = 0.3
    passenger_sd: float = 0.9
    rna_se: float = 0.15


def panel() -> list[str]:
    """Compounds of the enzyme table that a targeted platform measures."""
    table = knowledge.table("enzymes")
    names = {n for c in ("substrates", "products", "product_proxy") for values in table[c] for n in values if n}
    return sorted(names - UNMEASURED)


@lru_cache(maxsize=1)
def _pathways() -> dict[str, str]:
    """Compound -> the first pathway in which it is made or used."""
    table = knowledge.table("enzymes").sort_values("gene")
    found: dict[str, str] = {}
    for column in ("products", "product_proxy", "substrates"):
        for names, pathway in zip(table[column], table["pathway"], strict=True):
            for name in names:
                found.setdefault(name, pathway)
    return found


def noise(rng: np.random.Generator, n: int, names: Sequence[str], spec: Noise) -> Floats:
    """Correlated, heavy-tailed noise [n, len(names)] of metabolites with unequal variances."""
    m = len(names)
    of = _pathways()
    pathways = sorted({of.get(name, "") for name in names})
    sd = spec.sd * np.exp(spec.sd_spread * rng.standard_normal(m))
    load = rng.standard_normal((spec.factors, m)) / np.sqrt(spec.factors)
    common = rng.standard_normal((n, spec.factors)) @ load
    factor = rng.standard_normal((n, len(pathways)))
    alike = factor[:, [pathways.index(of.get(name, "")) for name in names]]
    common = np.sqrt(0.5) * common + np.sqrt(0.5) * alike
    own = rng.standard_t(spec.tail, (n, m)) / np.sqrt(spec.tail / (spec.tail - 2))
    return np.asarray(sd * (np.sqrt(spec.shared) * common + np.sqrt(1 - spec.shared) * own))


def tables(
    scenario: Scenario = "driver", *, n: int = 6, seed: int = 0, spec: Noise | None = None, size: float = 1.0
) -> dict[str, pd.DataFrame]:
    """The tables of a study of two resistant lines and their parent, `n` biological replicates each.

    `driver`: AKR1B1 mRNA and the metabolites of `CHAIN` change (times `size`); `flat`: the mRNA alone; `opposed`: mRNA
    up and metabolites down; `null`: neither. Drift and passengers are there in all. Returns `models`,
    `metabolite_values`, `metabolites_samples`, `differential` (RNA) and `planted`. Both lines are compared with the
    same parental samples.
    """
    spec = spec or Noise()
    rng = np.random.default_rng(seed)
    lines = (LENVATINIB_RESISTANT, SORAFENIB_RESISTANT)
    names = panel()
    sign = {"driver": 1.0, "flat": 0.0, "opposed": -1.0, "null": 0.0}[scenario]
    planted = np.array([sign * size * CHAIN.get(c, 0.0) for c in names])
    groups = (PARENTAL, *lines)
    y = rng.uniform(14, 22, len(names)) + noise(rng, n * len(groups), names, spec)
    for k in range(1, len(groups)):
        moved = rng.random(len(names)) < spec.drifting
        clone = np.where(moved, spec.drift * rng.standard_normal(len(names)), 0.0)
        clone[[names.index(c) for c in CHAIN]] = 0.0
        y[k * n : (k + 1) * n] += planted + clone
    samples = [f"{g.replace('Huh-7 ', '')}_{r}" for g in groups for r in range(1, n + 1)]
    values = pd.DataFrame(
        {
            "dataset": "metabolome",
            "feature": np.tile(names, len(samples)),
            "sample": np.repeat(samples, len(names)),
            "sample_type": "sample",
            "value": y.ravel(),
        }
    )
    sheet = pd.DataFrame(
        {
            "dataset": "metabolome",
            "unit": "log2",
            "sample": samples,
            "model": [g for g in groups for _ in range(n)],
            "treatment": "",
            "stage": "",
            "replicate": [str(r) for _ in groups for r in range(1, n + 1)],
            "batch": "",
        }
    )
    models = pd.DataFrame(
        {
            "model": list(groups),
            "role": ["parental", "resistant", "resistant"],
            "parent": ["", PARENTAL, PARENTAL],
        }
    )
    return {
        "models": models,
        "metabolite_values": values,
        "metabolites_samples": sheet,
        "differential": _rna(rng, lines, scenario, spec),
        "planted": pd.DataFrame({"metabolite": names, "log2fc": planted}),
    }


def _rna(rng: np.random.Generator, lines: tuple[str, ...], scenario: Scenario, spec: Noise) -> pd.DataFrame:
    """RNA contrasts of all enzymes; the parental error is common to the lines."""
    from scipy import stats

    genes = list(knowledge.table("enzymes")["gene"])
    parent = spec.rna_se * rng.standard_normal(len(genes))
    out = []
    for line in lines:
        change = np.where(rng.random(len(genes)) < spec.passengers, spec.passenger_sd, 0.0) * rng.standard_normal(
            len(genes)
        )
        change[genes.index(KEY)] = 0.0 if scenario == "null" else KEY_LOG2FC
        effect = change + spec.rna_se * rng.standard_normal(len(genes)) - parent
        se = np.full(len(genes), np.sqrt(2) * spec.rna_se)
        out.append(
            pd.DataFrame(
                {
                    "dataset": "transcriptome",
                    "contrast": f"{line} vs {PARENTAL}",
                    "layer": "rna",
                    "feature": genes,
                    "log2fc": effect,
                    "se": se,
                    "statistic": effect / se,
                    "p_value": 2 * stats.norm.sf(np.abs(effect / se)),
                }
            )
        )
    return pd.concat(out, ignore_index=True)
