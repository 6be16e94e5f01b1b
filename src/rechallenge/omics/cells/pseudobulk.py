"""Cells of one state and sample added up: the sample is the unit, and cells are no replicates of it.

Counts of all cells of a state in a sample are summed (and those of all states together, as the state `all`) and
compared between models, treatments or groups of patients by the engine of bulk counts. A side with one sample gives a
difference and no test: with one sample a group nothing tells a batch from an effect (two replicates of one and the same
treatment gave 1,058 "differential genes" when their cells were taken as replicates).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge import contrasts as groups
from rechallenge import moderated_contrasts
from rechallenge.analysis import analysis
from rechallenge.contrasts import Comparison, Group
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import reading
from rechallenge.omics.cells.groups import did_badly, groups_of, rank
from rechallenge.stats import counts as nb
from rechallenge.stats import mixed
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
DESEQ = "doi:10.1186/s13059-014-0550-8"
SQUAIR = "doi:10.1038/s41467-021-25960-2"
#: all cells of a sample together
ALL = "all"
#: genes with fewer counts than this over all samples are not estimated
LEAST_COUNTS = 10
PATIENTS = "patients"
#: contrasts of groups that are neither models nor patients
GROUPS = "groups"
KEYS = ["model", "treatment", "stage", "replicate", "batch"]
SAMPLES = (
    "dataset", "state", "sample", "model", "patient", "treatment", "stage", "replicate", "batch", "group", "n_cells",
    "n_counts", "used", "reason",
)  # fmt: skip
COLUMNS = (
    "dataset", "state", "contrast", "kind", "model", "gene", "log2fc", "se", "ci_low", "ci_high", "statistic",
    "p_value", "q_value", "n", "n_group", "n_reference", "n_cells", "level", "direction", "status", "reason",
    "source_table",
)  # fmt: skip
ONE_SIDE = "fewer than two samples on a side ({} and {}): exploratory, no test; a batch cannot be told from an effect"


def sums(cells: pd.DataFrame, codes: NDArray[np.int64], n: int) -> Floats:
    """Counts added up by code: [genes, n]; cells with a code below 0 take no part. Cells are read piece by piece."""
    import scipy.sparse as sp

    total: Any = None
    for part in reading.chunks(cells):
        code = codes[part.rows]
        kept = np.flatnonzero(code >= 0)
        member = sp.csr_array((np.ones(kept.size), (code[kept], kept)), shape=(n, len(code)))
        added = np.asarray((member @ part.matrix.astype(np.float64)).todense()).T
        total = added if total is None else total + added
    return np.zeros((0, n)) if total is None else np.asarray(total)


def units(cell_states: pd.DataFrame, patients: pd.DataFrame | None = None, *, least: int = 10) -> pd.DataFrame:
    """State x sample: `SAMPLES` without `n_counts`; `used` False where fewer than `least` cells are there, and why."""
    keys = ["sample", "model", "patient", "treatment", "stage", "replicate", "batch"]
    table = cell_states.reindex(columns=["dataset", "state", *keys]).fillna("").astype(str)
    table["group"] = groups_of(cell_states, patients)
    both = pd.concat([table, table.assign(state=ALL)], ignore_index=True)
    out = both.groupby(["dataset", "state", "sample"], sort=True).agg(
        **{k: (k, "first") for k in [*keys[1:], "group"]}, n_cells=("sample", "size")
    ).reset_index()  # fmt: skip
    out["used"] = out["n_cells"] >= least
    out["reason"] = np.where(out["used"], "", f"fewer than {least} cells")
    return out


def matrix(
    cells: pd.DataFrame, cell_states: pd.DataFrame, sheet: pd.DataFrame, dataset: str
) -> tuple[list[str], Floats, pd.DataFrame]:
    """Genes, counts [genes, units] of one data set, and the rows of ``sheet`` that are its units, in their order."""
    own = cell_states[cell_states["dataset"] == dataset].reset_index(drop=True)
    kept = reading.kept(cells, own)
    mine = sheet[(sheet["dataset"] == dataset)].reset_index(drop=True)
    parts = mine[mine["state"] != ALL]
    at = {(s, n): i for i, (s, n) in enumerate(zip(parts["state"], parts["sample"], strict=True))}
    code = np.array([at[k] for k in zip(own["state"].astype(str), own["sample"].astype(str), strict=True)], np.int64)
    added = sums(kept, code, len(parts))
    whole = np.empty((added.shape[0], len(mine)))
    whole[:, np.flatnonzero(mine["state"] != ALL)] = added
    for i in np.flatnonzero(mine["state"] == ALL):
        whole[:, i] = added[:, (parts["sample"] == mine["sample"].iloc[i]).to_numpy()].sum(axis=1)
    return reading.genes(kept), whole, mine


def counted(cells: pd.DataFrame, cell_states: pd.DataFrame) -> list[str]:
    """Data sets whose values are counts, by name. Raises NotApplicable where there is none."""
    mine = cells[cells["dataset"].isin(set(cell_states["dataset"]))]
    found = sorted(str(d) for d, v in mine.groupby("dataset")["values"] if (v == "counts").all())
    if not found:
        raise NotApplicable("no data set of single cells holds counts (log values cannot be added up)")
    return found


def biological(values: Floats, sheet: pd.DataFrame) -> tuple[Floats, pd.DataFrame]:
    """Samples of one biological replicate added up; without a replicate's name every sample is one of its own."""
    own = groups.grouped(sheet)
    own["batch"] = own["batch"].fillna("").astype(str)
    own["replicate"] = np.where(own["replicate"] == "", own["sample"], own["replicate"])
    number = own.groupby(KEYS, sort=True).ngroup().to_numpy()
    n = int(number.max()) + 1 if len(number) else 0
    first = np.array([int(np.flatnonzero(number == i)[0]) for i in range(n)], dtype=np.int64)
    out = own.iloc[first].reset_index(drop=True)
    out["n_cells"] = np.bincount(number, own["n_cells"], n).astype(np.int64)
    return values @ np.eye(n)[number], out


def asked(
    sheet: pd.DataFrame, models: pd.DataFrame, declared: pd.DataFrame | None
) -> tuple[pd.DataFrame, list[Comparison]]:
    """Units as models are compared (`grouped`), and what is compared. What has no model is compared by its group, each
    patient one unit; a patient with samples in two groups is a pair, as a replicate in two models is."""
    own = groups.grouped(sheet)
    people = (own["model"] == "") & (own["group"] != "")
    named = own["patient"].fillna("").astype(str)
    own.loc[people, "model"] = own.loc[people, "group"]
    own.loc[people, "replicate"] = np.where(named != "", named, own["replicate"])[people.to_numpy()]
    own.loc[people, "stage"] = ""
    if own[people].groupby("group")["treatment"].nunique().max() == 1:
        own.loc[people, "treatment"] = groups.VEHICLE  # the group says it already
    found = groups.of(own[own["model"] != ""], models, declared)
    names = sorted(set(own.loc[people, "model"]))
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            one, two = (b, a) if rank(b) >= rank(a) else (a, b)
            kind = PATIENTS if (named[people & own["model"].isin([a, b])] != "").all() else GROUPS
            for treatment in sorted(set(own.loc[people, "treatment"])):
                sides = [Group(g, treatment) for g in (one, two)]
                there = [groups.members(own, g).any() for g in sides]
                if all(there):
                    found.append(Comparison(kind, sides[0], sides[1]))
    return own, found


def direction_of(one: Comparison, models: pd.DataFrame) -> int:
    """+1 where being up goes with resistance: a resistant model against its parent, patients who did badly."""
    if one.kind in (PATIENTS, GROUPS):
        return int(did_badly(one.group.model) > did_badly(one.reference.model))
    return groups.direction(one, models)


def _methods(results: dict[str, pd.DataFrame], least_cells: int, **_: Any) -> str:
    cell_contrasts = results["cell_contrasts"]
    tested = cell_contrasts["p_value"].notna().any()
    text = (
        f"Counts of all cells of a state (and of all states together) were added up within every sample with "
        f"{least_cells} or more of them, the sample or patient being the unit ({SQUAIR})"
    )
    if tested:
        return (
            f"{text}; groups of samples were compared by negative-binomial regression ({DESEQ}), q-values by Benjamini "
            "and Hochberg within state and contrast."
        )
    return f"{text}; no group had two samples, so that differences are exploratory and nothing was tested."


@analysis(
    title="State by state: genes, the sample as unit",
    reference=(DESEQ, SQUAIR),
    gives=("cell_contrasts", "state_samples"),
    methods=_methods,
    formula="sum of counts per state and sample, then the negative-binomial regression of rna_differential",
    oracle=(
        "The engine is that of bulk counts (R DESeq2, tests/stats/test_counts.py); nulls and one sample a side "
        "(tests/omics/test_cells_pseudobulk.py)"
    ),
    limits=(
        "One sample a side is not testable, however many cells. Where samples hardly scatter beyond counting it"
        " rejects 1 % at 5 %."
    ),
)
def cell_contrasts(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    patients: pd.DataFrame | None = None,
    *,
    least_cells: int = 10,
    alpha: float = 0.1,
    confidence: float = 0.95,
) -> dict[str, pd.DataFrame]:
    """`cell_contrasts`: one row per data set, state, contrast and gene (`COLUMNS`); `state_samples`: `SAMPLES`.

    Contrasts come from the models (resistant against parent), treatments, `[[contrasts]]` and, for what has no model,
    from its group (recurrence, response, before and after; samples of one patient are paired). log2fc is per sample,
    not per cell; `n` are biological replicates. Fewer than two samples on a side: `not_testable`, with the plain
    difference. Raises NotApplicable without counts.
    """
    sheet = units(cell_states, patients, least=least_cells)
    sheet["n_counts"] = np.nan
    out = []
    for dataset in counted(cells, cell_states):
        names, values, mine = matrix(cells, cell_states, sheet, dataset)
        sheet.loc[sheet["dataset"] == dataset, "n_counts"] = values.sum(axis=0)
        for state in [ALL, *sorted(set(mine["state"].astype(str)) - {ALL})]:
            use = ((mine["state"] == state) & mine["used"]).to_numpy()
            part = state_contrasts(
                values[:, use], names, mine[use].reset_index(drop=True), models, contrasts,
                alpha=alpha, confidence=confidence,
            )  # fmt: skip
            out.append(part.assign(dataset=dataset, state=state))
    filled = [t for t in out if len(t)]
    table = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))
    table["source_table"] = "cells"
    return {"cell_contrasts": table.reindex(columns=list(COLUMNS)), "state_samples": sheet[list(SAMPLES)]}


def state_contrasts(
    values: Floats,
    names: Sequence[str],
    sheet: pd.DataFrame,
    models: pd.DataFrame,
    declared: pd.DataFrame | None,
    *,
    alpha: float = 0.1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every contrast that the units of one state allow; ``values`` are summed counts [genes, units]."""
    if not len(sheet):
        return pd.DataFrame(columns=list(COLUMNS))
    own, found = asked(sheet, models, declared)
    take = (own["model"] != "").to_numpy() & (values.sum(axis=0) > 0)
    if not found or not take.any():
        return pd.DataFrame(columns=list(COLUMNS))
    added, own = biological(values[:, take], own[take].reset_index(drop=True))
    kept = added.sum(axis=1) >= LEAST_COUNTS
    design, column, _ = moderated_contrasts.design_of(own[KEYS], "auto")
    enough = {g: int(groups.members(own, g).sum()) for one in found for g in (one.group, one.reference)}
    found = [one for one in found if enough[one.group] and enough[one.reference]]
    df = len(own) - np.linalg.matrix_rank(design)
    fit = nb.fit_counts(added[kept], design) if df > 0 and kept.any() else None
    cpm = np.log2(added[kept] / added.sum(axis=0) * 1e6 + 1)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    out = []
    for one in found:
        sides = [groups.members(own, g) for g in (one.group, one.reference)]
        n = [int(s.sum()) for s in sides]
        frame = pd.DataFrame({"gene": np.asarray(names, dtype=object)[kept]})
        frame["level"] = cpm.mean(axis=1)
        if fit is not None and min(n) >= 2:
            weight = np.zeros(design.shape[1])
            weight[column[one.group.model, one.group.treatment, one.group.stage]] += 1
            weight[column[one.reference.model, one.reference.treatment, one.reference.stage]] -= 1
            test = nb.wald(fit, weight, alpha)
            frame["log2fc"], frame["se"], frame["statistic"] = test.effect, test.se, test.statistic
            frame["ci_low"], frame["ci_high"] = test.effect - z * test.se, test.effect + z * test.se
            frame["p_value"], frame["q_value"] = test.p_value, test.q_value
            single = fit.outlier | ~np.isfinite(test.p_value)
            frame["status"] = np.where(single, "not_testable", "estimated")
            frame["reason"] = np.where(single, "a single sample decides the fit (Cook's distance)", "")
            frame.loc[test.filtered & ~single, "reason"] = "few counts: left out of the adjustment"
        else:
            frame["log2fc"] = cpm[:, sides[0]].mean(axis=1) - cpm[:, sides[1]].mean(axis=1)
            for name in ("se", "statistic", "ci_low", "ci_high", "p_value", "q_value"):
                frame[name] = np.nan
            frame["status"], frame["reason"] = "not_testable", ONE_SIDE.format(*n)
        frame["contrast"], frame["kind"], frame["model"] = one.contrast, one.kind, one.model
        frame["n_group"], frame["n_reference"], frame["n"] = n[0], n[1], sum(n)
        frame["n_cells"] = int(own.loc[sides[0] | sides[1], "n_cells"].sum())
        frame["direction"] = direction_of(one, models)
        out.append(frame)
    return pd.concat(out, ignore_index=True) if out else pd.DataFrame(columns=list(COLUMNS))


def compared(
    values: Floats,
    features: Sequence[str],
    sheet: pd.DataFrame,
    models: pd.DataFrame,
    declared: pd.DataFrame | None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Scores [features, units] of one state between groups of units by moderated t: the columns of
    `moderated_contrasts.tested` with q_value (within contrast) and direction; no rows where nothing is compared."""
    own, found = asked(sheet, models, declared)
    take = (own["model"] != "").to_numpy()
    if not found or not take.any():
        return pd.DataFrame()
    own = own[take].reset_index(drop=True)
    own["replicate"] = np.where(own["replicate"] == "", own["sample"], own["replicate"])
    own["batch"] = own["batch"].fillna("").astype(str)
    number = own.groupby(KEYS, sort=True).ngroup().to_numpy()
    member = np.eye(int(number.max()) + 1)[number]
    means = values[:, take] @ (member / member.sum(axis=0))
    first = [int(np.flatnonzero(number == i)[0]) for i in range(member.shape[1])]
    own = own.iloc[first].reset_index(drop=True)
    found = [o for o in found if all(groups.members(own, g).any() for g in (o.group, o.reference))]
    if not found:
        return pd.DataFrame()
    if len(features) >= 3:
        table = moderated_contrasts.tested(means, features, own[KEYS], found, confidence=confidence)
    else:
        table = _by_welch(means, features, own, found, confidence)
    table["q_value"] = table.groupby("contrast")["p_value"].transform(lambda v: bh(v.to_numpy()))
    sign = {one.contrast: direction_of(one, models) for one in found}
    table["direction"] = table["contrast"].map(sign)
    return table


def _by_welch(
    values: Floats, features: Sequence[str], own: pd.DataFrame, found: Sequence[Comparison], confidence: float
) -> pd.DataFrame:
    """Too few features to tell what variances are like: each by Welch's test, in the same columns."""
    rows = []
    for one in found:
        sides = [groups.members(own, g) for g in (one.group, one.reference)]
        n = [int(s.sum()) for s in sides]
        for name, y in zip(features, values, strict=True):
            row: dict[str, Any] = {
                "feature": name, "log2fc": float(y[sides[0]].mean() - y[sides[1]].mean()), "n_group": n[0],
                "n_reference": n[1], "n": sum(n), "contrast": one.contrast, "kind": one.kind, "model": one.model,
                "treatment": one.group.treatment, "status": "not_testable", "reason": ONE_SIDE.format(*n),
            }  # fmt: skip
            if min(n) >= 2:
                made = mixed.welch([y[s] for s in sides], [1.0, -1.0], confidence)
                row |= {"se": made.se, "statistic": made.statistic, "p_value": made.p_value, "ci_low": made.ci_low,
                        "ci_high": made.ci_high, "df": made.df}  # fmt: skip
                known = np.isfinite(made.p_value)
                row |= {"status": "estimated" if known else "not_testable", "reason": "" if known else "no scatter"}
            rows.append(row)
    blank = dict.fromkeys(("se", "statistic", "p_value", "ci_low", "ci_high", "df"), np.nan)
    return pd.DataFrame([{**blank, **r} for r in rows])
