"""Simulated cohorts with a known answer, and TCGA liver cancer from the reference data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.clinical.cohorts import (
    audit,
    candidates,
    display,
    fits,
    remark,
    response,
    scan,
    subgroups,
    tissues,
    verdicts,
)  # fmt: skip
from rechallenge.clinical.cohorts.expression import proliferation_genes

PROLIFERATION = list(proliferation_genes())[:30]
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def cohort(
    seed: int,
    name: str = "A",
    *,
    n: int = 300,
    events: int = 130,
    background: int = 300,
    driver: float = 1.5,
    proliferation: float = 1.5,
    covariates: bool = True,
) -> Tables:
    """Patients, matrix, samples of one cohort.

    `DRIVER` carries a hazard ratio of `driver` per SD; thirty cell-cycle genes and `FOLLOWER` follow a hidden
    proliferation with `proliferation` per SD (FOLLOWER does nothing by itself); `G0`, `G1`, ... do nothing.
    """
    rng = np.random.default_rng(seed)
    hidden, mine = rng.normal(size=n), rng.normal(size=n)
    cycle = 0.8 * hidden + 0.6 * rng.normal(size=(len(PROLIFERATION), n))
    follower = 0.8 * hidden + 0.6 * rng.normal(size=n)
    rest = rng.normal(size=(background, n))
    level = rng.uniform(2, 12, background + len(PROLIFERATION) + 2)
    genes = [*PROLIFERATION, "FOLLOWER", "DRIVER", *(f"G{i}" for i in range(background))]
    values = np.vstack([cycle, follower, mine, rest]) + level[:, None]
    time = 30 * rng.exponential(np.exp(-(np.log(driver) * mine + np.log(proliferation) * hidden)))
    limit = np.sort(time)
    end = np.full(n, limit[min(events, n) - 1] * 1.0000001)  # the study ends after so many events
    event = time <= end
    people = pd.DataFrame(
        {
            "patient": [f"{name}{i:04d}" for i in range(n)], "cohort": name, "endpoint": "OS",
            "time": np.minimum(time, end).clip(0.01), "event": np.where(event, "1", "0"), "time_unit": "months",
            "time_zero": "surgery", "response": "", "best_change": np.nan, "treatment": "", "treatment_start": np.nan,
        }
    )  # fmt: skip
    if covariates:
        people["age"] = rng.integers(40, 80, n).astype(str)
        people["sex"] = np.where(rng.random(n) < 0.5, "male", "female")
    people = people.assign(_file="patients.csv", _sheet="", _row=np.arange(2, n + 2))
    matrix = pd.DataFrame(values, columns=people["patient"].to_numpy())
    matrix.insert(0, "dataset", name)
    matrix.insert(1, "feature", genes)
    matrix = matrix.assign(_file="expression.tsv", _row=np.arange(2, len(genes) + 2))
    sheet = pd.DataFrame({"dataset": name, "unit": "log2", "sample": people["patient"], "patient": "", "tissue": "",
                          "batch": ""})  # fmt: skip
    return people, matrix, sheet


def several(seeds: list[int], **more: Any) -> Tables:
    """Cohorts A, B, ... side by side, as reading gives them: a sample of another cohort is missing."""
    parts = [cohort(s, "ABCDEFG"[i], **more) for i, s in enumerate(seeds)]
    return tuple(pd.concat([p[k] for p in parts], ignore_index=True) for k in range(3))  # type: ignore[return-value]


def judged(tables: Tables, genes: tuple[str, ...], **options: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The survival table, the meta-analysis and the candidates of a study."""
    of = scan.survival_scan(*tables)
    chosen = candidates.clinical_candidates(of, genes=genes, top=options.pop("top", 0))
    own = fits.survival_fits(tables[0], chosen, tables[1], tables[2], draws=options.pop("draws", 99), **options)
    pooled = scan.survival_meta(of, own)
    return verdicts.survival(own, chosen, of, pooled), pooled, chosen


def trial(seed: int, *, predictive: float = 2.5, prognostic: float = 0.0, n: int = 90) -> Tables:
    """A two-arm trial (drug, placebo): `PRED` tells responders apart under the drug alone, `PROG` in both arms, and the
    leading component of two hundred genes as well where `prognostic` is not 0."""
    rng = np.random.default_rng(seed)
    people, matrix, sheet = cohort(seed + 1, "T", n=n, events=60)
    drug = np.arange(n) % 2 == 0
    pred, prog = rng.normal(size=n), rng.normal(size=n)
    responded = rng.random(n) < 1 / (1 + np.exp(-(predictive * pred * drug + prognostic * prog - 0.3)))
    people["response"] = np.where(responded, "responder", "non-responder")
    people["treatment"] = np.where(drug, "sorafenib", "placebo")
    people["best_change"] = np.where(responded, -45.0, 10.0) + rng.normal(0, 8, n)
    samples = people["patient"].tolist()
    values = matrix[samples].to_numpy()
    first = matrix["feature"].tolist().index("G0")
    values[first], values[first + 1] = pred + 6, prog + 6
    values[first + 2 : first + 202] = 1.5 * prog + rng.normal(size=(200, n)) + 6
    matrix[samples] = values
    matrix["feature"] = matrix["feature"].replace({"G0": "PRED", "G1": "PROG"})
    return people, matrix, sheet


def tcga(folder: Path) -> Tables:
    """TCGA liver cancer: 333 patients, 1,550 genes (z-scores of RNA-seq), with clinical covariates."""
    raw = pd.read_csv(folder / "data/clinical/porpoise_tcga_lihc_all_clean.csv.zip", index_col=0)
    genes = [c for c in raw.columns if c.endswith("_rnaseq")]
    values = raw.groupby("case_id")[genes].mean()
    first = raw.groupby("case_id").first().reset_index()
    core = pd.read_csv(folder / "data/clinical/tcga_lihc_clinical.tsv", sep="\t", dtype=str, keep_default_na=False)
    both = first[["case_id", "survival_months", "censorship"]].merge(
        core.rename(columns={"patient": "case_id"}), on="case_id", how="left"
    )
    both = both.fillna("")
    people = pd.DataFrame(
        {
            "patient": both["case_id"], "cohort": "TCGA-LIHC", "endpoint": "OS", "time": both["survival_months"],
            "event": (1 - both["censorship"].astype(int)).astype(str), "time_unit": "months", "time_zero": "diagnosis",
            "response": "", "best_change": np.nan, "treatment": np.where(both["sorafenib"] == "True", "sorafenib", ""),
            "treatment_start": pd.to_numeric(both["sorafenib_start_day"], errors="coerce") / 30.4375,
        }
    )  # fmt: skip
    keep = ("age", "gender", "stage", "grade", "risk_hbv", "HBV_consensus", "serology_field_lists_HBsAg_or_HBVDNA")
    for c in keep:
        people[c] = both[c].astype(str)
    people = people.assign(_file="patients.tsv", _sheet="", _row=np.arange(2, len(people) + 2))
    matrix = values.T.reset_index().rename(columns={"index": "feature"})
    matrix["feature"] = matrix["feature"].str.removesuffix("_rnaseq")
    matrix.insert(0, "dataset", "TCGA-LIHC")
    matrix = matrix.assign(_file="expression.tsv", _row=np.arange(2, len(matrix) + 2))
    sheet = pd.DataFrame({"dataset": "TCGA-LIHC", "unit": "log2", "sample": values.index, "patient": "", "tissue": "",
                          "batch": ""})  # fmt: skip
    return people, matrix, sheet


def six_cohorts(folder: Path) -> pd.DataFrame:
    """Patients of five cohorts with one fixed score (GSE14520, LIRI-JP, GSE76427, GSE10143, GSE27150)."""
    files = {
        "GSE14520": "ezhu_risk_score_data_ezhu.csv", "LIRI-JP": "ezhu_HCCDB18_LIRIJP_risk_score.csv",
        "GSE76427": "ezhu_GSE76427_risk_score.csv", "GSE10143": "ezhu_GSE10143_HCC_risk_score.csv",
        "GSE27150": "ezhu_GSE27150_risk_score.csv",
    }  # fmt: skip
    parts = []
    for name, file in files.items():
        t = pd.read_csv(folder / "data/clinical" / file).rename(
            columns={"time_months": "time", "sample_id": "patient", "patient_id": "patient", "sample": "patient"}
        )
        t = t.assign(cohort=name, event=t["status"].astype(str), endpoint="OS", time_unit="months")
        parts.append(t[["patient", "cohort", "endpoint", "time", "event", "time_unit", "risk_score"]])
    return pd.concat(parts, ignore_index=True).assign(risk_score=lambda t: t["risk_score"].astype(str))


__all__ = ["audit", "display", "remark", "response", "subgroups", "tissues"]
