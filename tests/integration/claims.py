"""Evidence of small made-up studies: a claim in one line, and the two published chains as claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge import evidence


def one(
    entity: str, stream: str, level: str, z: float, *, kind: str = "gene", direction: int | None = None, **more: Any
) -> dict[str, Any]:
    """One estimated claim with this z; its direction is the sign of z unless told."""
    p = 2 * stats.norm.sf(abs(z))
    return {
        "entity": entity, "entity_type": kind, "stream": stream, "level": level, "model": "LR", "contrast": stream,
        "direction": int(np.sign(z)) if direction is None else direction, "effect": z * 0.3, "effect_unit": "log2",
        "se": 0.3, "statistic": z, "p_value": p, "q_value": p, "n": 6, "status": "estimated",
        "analysis": more.pop("analysis", stream), "claim": f"{entity} in {stream}: z {z:.1f}", **more,
    }  # fmt: skip


def background(rng: np.random.Generator, genes: int = 200) -> list[dict[str, Any]]:
    """Claims of genes that do nothing, in every family."""
    streams = (
        ("expression", "association", "rna_differential"), ("response", "clinical", "response"),
        ("survival", "clinical", "survival"), ("measurements", "intervention", "comparisons"),
        ("thermal_shift", "engagement", "thermal_shift"),
    )  # fmt: skip
    rows = []
    for stream, level, analysis in streams:
        for g in range(genes):
            engaged = level == "engagement"
            rows.append(
                one(f"G{g}", stream, level, float(rng.normal()), analysis=analysis, model="cells",
                    direction=0 if engaged else None, contrast="lefamulin vs vehicle" if engaged else stream)
            )  # fmt: skip
    return rows


def lefamulin(seed: int = 0) -> pd.DataFrame:
    """lefamulin binds ILF3, whose level does not change and which drives MRPL12; both matter in patients."""
    ilf3: list[dict[str, Any]] = [
        one("ILF3", "expression", "association", 0.1, analysis="rna_differential", model="cells"),
        one("ILF3", "thermal_shift", "engagement", 6.0, direction=0, contrast="lefamulin vs vehicle", model="cells"),
        one("ILF3", "measurements", "intervention", 4.5, analysis="comparisons", model="cells"),
        one("ILF3", "response", "clinical", 2.6, analysis="response", model="cells"),
        one("ILF3", "survival", "clinical", 2.6, analysis="survival", model="TCGA-LIHC"),
        one("ILF3", "reporter", "intervention", -5.0, kind="regulator", direction=0, contrast="MRPL12 promoter: siILF3",
            claim="ILF3 and the promoter of MRPL12: activity falls"),
    ]  # fmt: skip
    mrpl12 = [
        one("MRPL12", "expression", "association", 4.0, analysis="rna_differential", model="cells"),
        one("MRPL12", "measurements", "intervention", 3.2, analysis="comparisons", model="cells"),
        one("MRPL12", "survival", "clinical", 2.9, analysis="survival", model="TCGA-LIHC"),
        one("MRPL12", "response", "clinical", 2.4, analysis="response", model="cells"),
    ]
    drug = [one("sorafenib + lefamulin", "combination", "intervention", -5.0, kind="pair", model="SR")]
    return evidence.join([evidence.claim_table([*ilf3, *mrpl12, *drug, *background(np.random.default_rng(seed))])])


def epalrestat(seed: int = 0) -> pd.DataFrame:
    """AKR1B1 is up, drives, follows FOSL2 and matters in patients; epalrestat restores sensitivity."""
    rows = [
        one("AKR1B1", "expression", "association", 5.0, analysis="rna_differential", model="cells"),
        one("AKR1B1", "atlas", "association", 3.0, analysis="enzymes", model="cells"),
        one("AKR1B1", "measurements", "intervention", 4.5, analysis="comparisons", model="cells"),
        one("AKR1B1", "response", "clinical", 2.6, analysis="response", model="cells"),
        one("AKR1B1", "survival", "clinical", 2.2, analysis="survival", model="TCGA-LIHC"),
        one("FOSL2", "tf_activity", "association", 3.5, kind="regulator", analysis="regulators",
            contrast="LR vs P (rna), AKR1B1"),
        one("lenvatinib + epalrestat", "combination", "intervention", -4.0, kind="pair"),
    ]  # fmt: skip
    return evidence.join([evidence.claim_table([*rows, *background(np.random.default_rng(seed))])])
