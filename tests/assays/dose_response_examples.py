"""Small dose-response experiments with a known answer, for the tests of the assay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

DOSES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def hill(dose: Any, ic50: float, slope: float = 1.3, einf: float = 0.0) -> Any:
    """Viability with an absolute IC50: 0.5 at `ic50`."""
    ec50 = ic50 * ((0.5 - einf) / 0.5) ** (1.0 / slope)
    return einf + (1.0 - einf) / (1.0 + (np.asarray(dose) / ec50) ** slope)


def experiment(
    rng: np.random.Generator,
    model: str,
    drug: str,
    ic50: float,
    *,
    slope: float = 1.3,
    einf: float = 0.0,
    replicates: Sequence[str] = ("e1", "e2", "e3"),
    doses: Sequence[float] = DOSES,
    noise: float = 0.03,
    between: float = 0.05,
    **columns: Any,
) -> pd.DataFrame:
    """Viabilities of one curve: `between` is the SD of ln IC50 between biological replicates, `noise` of a point."""
    x = np.asarray(doses, dtype=float)
    parts = []
    for name in replicates:
        shift = np.exp(rng.normal(0.0, between))
        y = hill(x, ic50 * shift, slope, einf) + rng.normal(0.0, noise, x.size)
        parts.append(pd.DataFrame({"dose_um": x, "viability": y, "replicate": name}))
    out = pd.concat(parts, ignore_index=True)
    return out.assign(model=model, drug=drug, **columns)


def models() -> pd.DataFrame:
    """A parental line and two resistant ones."""
    return pd.DataFrame(
        [
            {"model": "P", "role": "parental", "parent": "", "selected_with": "", "stage": ""},
            {"model": "LR", "role": "resistant", "parent": "P", "selected_with": "lenvatinib", "stage": ""},
            {"model": "SR", "role": "resistant", "parent": "P", "selected_with": "sorafenib", "stage": ""},
        ]
    )


def study(seed: int = 0) -> pd.DataFrame:
    """Three lines, five drugs, two perturbations, another medium, and stages S1 to S3 of one line."""
    rng = np.random.default_rng(seed)
    planted = {
        "lenvatinib": (13.0, 50.6, 33.5),
        "sorafenib": (6.8, 21.0, 16.7),
        "irinotecan": (24.5, 24.5, 60.0),
        "epalrestat": (30.0, 8.0, 30.0),
        "inactive": (1e9, 1e9, 1e9),
        "lost": (2.0, 1e9, 2.0),
    }
    parts = [
        experiment(rng, model, drug, ic50)
        for drug, values in planted.items()
        for model, ic50 in zip(("P", "LR", "SR"), values, strict=True)
    ]
    parts += [
        experiment(rng, "LR", "lenvatinib", 12.0, perturbation="siAKR1B1"),
        experiment(rng, "LR", "lenvatinib", 49.0, perturbation="siNC"),
        experiment(rng, "LR", "lenvatinib", 51.0, perturbation="something else"),
        experiment(rng, "P", "lenvatinib", 48.0, perturbation="AKR1B1 OE"),
        experiment(rng, "P", "lenvatinib", 13.0, perturbation="vector"),
        experiment(rng, "P", "lenvatinib", 40.0, medium="conditioned by LR"),
        experiment(rng, "LR", "lenvatinib", 19.0, stage="S1"),
        experiment(rng, "LR", "lenvatinib", 31.0, stage="S2"),
        experiment(rng, "LR", "lenvatinib", 50.6, stage="S3"),
    ]
    out = pd.concat(parts, ignore_index=True)
    return out.fillna({"perturbation": "none", "medium": "", "stage": ""})


def plate(
    drug_wells: dict[str, tuple[str, float, float]],
    *,
    vehicle: dict[str, float],
    blank: dict[str, float] | None = None,
    positive: dict[str, float] | None = None,
    **columns: Any,
) -> pd.DataFrame:
    """Raw wells of one plate: well -> (drug, dose, signal); vehicle, blank and positive wells -> signal."""
    rows = [
        {"well": w, "drug": d, "dose_um": x, "signal": s, "well_type": "sample"} for w, (d, x, s) in drug_wells.items()
    ]
    for kind, wells in (("vehicle", vehicle), ("blank", blank or {}), ("positive", positive or {})):
        rows += [{"well": w, "drug": "", "dose_um": 0.0, "signal": s, "well_type": kind} for w, s in wells.items()]
    given = {"model": "P", "replicate": "e1", "plate": "p1", **columns}
    return pd.DataFrame(rows).assign(**given)
