"""Expression of patients' tumours, per cohort, and what a gene is compared with: all other genes, and proliferation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from rechallenge.clinical.cohorts.words import is_normal, patient_of

Floats = NDArray[np.float64]
NOT_VALUES = ("dataset", "feature", "_file", "_row")
#: genes of the proliferation score that must be measured for it to say something
FEWEST = 5
#: genes on either side by expression that a gene is compared with
NEIGHBOURS = 250
#: units whose logarithm is taken
LINEAR = ("counts", "tpm", "fpkm", "cpm", "intensity", "area", "concentration")
#: a gene measured in fewer of a cohort's patients than this share is left out of scans
MEASURED = 0.8


@dataclass(frozen=True)
class Expression:
    """One cohort: `values` (genes, patients) as read, tumours only, several samples of a patient averaged."""

    cohort: str
    genes: NDArray[np.object_]
    patients: NDArray[np.object_]
    values: Floats
    normal_patients: NDArray[np.object_]
    normal: Floats
    unit: str
    averaged: int
    unknown: int
    rows: NDArray[np.int64]
    file: str

    def of(self, patients: Iterable[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Values (genes, found) of these patients, and which of them were found."""
        place = {p: i for i, p in enumerate(self.patients)}
        at = np.array([place.get(str(p), -1) for p in patients], dtype=np.intp)
        return self.values[:, at[at >= 0]], at >= 0

    @property
    def level(self) -> Floats:
        """Mean of every gene over the patients, by which genes are matched."""
        return _means(self.values)


def _means(values: Floats) -> Floats:
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(there, values, 0).sum(axis=1) / there.sum(axis=1), dtype=np.float64)


def cohorts(matrix: pd.DataFrame | None, samples: pd.DataFrame | None, patients: pd.DataFrame) -> dict[str, Expression]:
    """The expression of every cohort of the long table of patients that has any, by cohort.

    A data set belongs to the cohort of its name (without regard to case), else to the one that shares most patients.
    """
    if matrix is None or samples is None or matrix.empty or samples.empty:
        return {}
    members = {str(c): set(rows["patient"]) for c, rows in patients.groupby("cohort")}
    out: dict[str, Expression] = {}
    for dataset, sheet in samples.groupby("dataset", sort=True):
        rows = matrix[matrix["dataset"] == dataset]
        named = [patient_of(str(s), str(p)) for s, p in zip(sheet["sample"], _text(sheet, "patient"), strict=True)]
        cohort = next((c for c in members if c.casefold() == str(dataset).casefold()), None)
        if cohort is None:
            shared = {c: len(m & set(named)) for c, m in sorted(members.items()) if c not in out}
            cohort = max(shared, key=lambda c: shared[c], default=None)
            if cohort is None or not shared[cohort]:
                continue
        out.setdefault(cohort, _one(cohort, rows, sheet, np.array(named, dtype=object), members[cohort]))
    return out


def _text(frame: pd.DataFrame, column: str) -> list[str]:
    if column not in frame:
        return [""] * len(frame)
    return frame[column].fillna("").astype(str).tolist()


def _one(
    cohort: str, rows: pd.DataFrame, sheet: pd.DataFrame, named: NDArray[np.object_], known: set[str]
) -> Expression:
    sample = sheet["sample"].astype(str).to_numpy(dtype=object)
    normal = np.array([is_normal(t, s) for t, s in zip(_text(sheet, "tissue"), sample, strict=True)])
    ordered = rows.sort_values("feature", kind="mergesort")
    values = ordered[list(sample)].to_numpy(dtype=np.float64)
    unit = next((u for u in _text(sheet, "unit") if u), "")
    if unit == "counts":  # ranks over patients must not follow sequencing depth
        total = np.nansum(values, axis=0)
        values = values / np.where(total > 0, total, np.nan) * 1e6
    if unit in LINEAR:
        values = np.log2(np.maximum(values, 0) + 1)
    tumours, of_tumours = _per_patient(values[:, ~normal], named[~normal])
    healthy, of_normal = _per_patient(values[:, normal], named[normal])
    there = np.array([p in known for p in of_tumours], dtype=bool)
    return Expression(
        cohort, ordered["feature"].astype(str).to_numpy(dtype=object), of_tumours[there], tumours[:, there],
        of_normal, healthy, unit, int((~normal).sum() - len(of_tumours)), int((~there).sum()),
        ordered["_row"].to_numpy(dtype=np.int64) if "_row" in ordered else np.zeros(len(ordered), np.int64),
        str(ordered["_file"].iloc[0]) if "_file" in ordered and len(ordered) else "",
    )  # fmt: skip


def _per_patient(values: Floats, named: NDArray[np.object_]) -> tuple[Floats, NDArray[np.object_]]:
    """Several samples of one patient averaged; patients in sorted order."""
    names, which, count = np.unique(named.astype(str), return_inverse=True, return_counts=True)
    if len(names) == len(named):
        return values[:, np.argsort(which)] if len(named) else values, names.astype(object)
    member = (which[:, None] == np.arange(len(names))).astype(np.float64)
    return np.asarray(values @ (member / count), dtype=np.float64), names.astype(object)


def rank_normal(values: Floats) -> Floats:
    """Rows as normal scores of their ranks (Blom), with mean 0 and standard deviation 1; missing cells stay missing, a
    row without spread is 0."""
    there = np.isfinite(values)
    ranks = stats.rankdata(values, axis=1, nan_policy="omit") if not there.all() else stats.rankdata(values, axis=1)
    n = there.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = special.ndtri((ranks - 0.375) / (n + 0.25))
        scores = scores - np.nansum(scores, axis=1, keepdims=True) / n
        spread = np.sqrt(np.nansum(scores**2, axis=1, keepdims=True) / (n - 1))
        scores = scores / np.where(spread > 1e-9, spread, np.inf)
    return np.asarray(np.where(there, scores, np.nan), dtype=np.float64)


def patterns(values: Floats) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Genes (row numbers) that are measured in the same patients, and which those are; sparse genes are left out."""
    there = np.isfinite(values)
    enough = there.mean(axis=1) >= MEASURED if values.shape[1] else np.zeros(len(values), bool)
    whole = there.all(axis=1)
    if whole.any():
        yield np.flatnonzero(whole), np.ones(values.shape[1], dtype=bool)
    rest = np.flatnonzero(enough & ~whole)
    if len(rest):
        packed = np.packbits(there[rest], axis=1)
        _, which = np.unique(packed, axis=0, return_inverse=True)
        for k in range(which.max() + 1):
            members = rest[which.ravel() == k]
            yield members, there[members[0]]


def percentiles(strength: Floats, level: Floats, neighbours: int = NEIGHBOURS) -> tuple[Floats, NDArray[np.bool_]]:
    """Per cent of the genes matched on expression that are weaker (ties half), and whether matching was possible.

    `strength` (|z|) and `level` (mean expression) per gene; NaN strength is no gene. A gene is compared with the
    `neighbours` genes below and above it in expression. Where all genes have one level (z-scores) or there are fewer
    than three times that many, it is compared with all.
    """
    out = np.full(len(strength), np.nan)
    known = np.flatnonzero(np.isfinite(strength) & np.isfinite(level))
    s, height = strength[known], level[known]
    if len(known) < 2:
        return out, np.zeros(len(strength), dtype=bool)
    if _centred(height) or len(known) < 6 * neighbours:
        out[known] = 100 * (stats.rankdata(s) - 1) / (len(s) - 1)
        return out, np.zeros(len(strength), dtype=bool)
    order = np.argsort(height, kind="stable")
    ordered = s[order]
    width = 2 * neighbours + 1
    windows = np.lib.stride_tricks.sliding_window_view(ordered, width)
    start = np.clip(np.arange(len(ordered)) - neighbours, 0, len(ordered) - width)
    share = np.empty(len(ordered))
    for a in range(0, len(ordered), 2048):
        block = slice(a, min(a + 2048, len(ordered)))
        near, own = windows[start[block]], ordered[block, None]
        share[block] = ((near < own).sum(axis=1) + 0.5 * ((near == own).sum(axis=1) - 1)) / (width - 1)
    out[known[order]] = 100 * share
    return out, np.isfinite(out)


def _centred(level: Floats) -> bool:
    """Whether the genes' means tell nothing: values that were centred gene by gene lie around 0."""
    middle = float(np.median(level))
    return abs(middle) < 0.15 and float(np.quantile(np.abs(level - middle), 0.9)) < 0.15


@lru_cache(maxsize=4)
def proliferation_genes() -> tuple[str, ...]:
    """The cell-cycle genes of the knowledge table of gene sets (Tirosh et al. 2016, doi:10.1126/science.aad0501)."""
    from rechallenge import knowledge

    sets = knowledge.table("gene_sets")
    return tuple(sorted(set(sets.loc[sets["set"] == "proliferation", "gene"])))


@dataclass(frozen=True)
class Proliferation:
    """Mean of the standardised proliferation genes, from which any one gene can be taken out."""

    genes: Mapping[str, int]
    scores: Floats

    @property
    def n(self) -> int:
        return len(self.genes)

    def without(self, gene: str) -> Floats | None:
        """The score (patients,) of all genes but this, in standard deviations; None where too few are left."""
        kept = [i for g, i in self.genes.items() if g != gene]
        if len(kept) < FEWEST:
            return None
        mean = self.scores[kept].mean(axis=0)
        spread = mean.std(ddof=1)
        return (mean - mean.mean()) / spread if spread > 0 else None


def proliferation(genes: Sequence[str], values: Floats) -> Proliferation:
    """The score of a cohort from `values` (genes, patients); genes with missing values are not used."""
    place = {str(g).upper(): i for i, g in enumerate(genes)}
    found = [(g, place[g]) for g in proliferation_genes() if g in place]
    found = [(g, i) for g, i in found if np.isfinite(values[i]).all() and np.ptp(values[i]) > 0]
    scores = rank_normal(values[[i for _, i in found]]) if found else np.zeros((0, values.shape[1]))
    return Proliferation({g: k for k, (g, _) in enumerate(found)}, scores)


def leading_components(values: Floats, k: int = 3) -> tuple[Floats, Floats]:
    """Scores (k, patients) and shares of variance (k,) of the leading principal components, genes centred; the sign
    makes the largest loading positive. Up to 5,000 genes of largest variance are used."""
    whole = values[np.isfinite(values).all(axis=1)] if len(values) else values
    if whole.shape[0] < 2 or whole.shape[1] < 3:
        return np.zeros((0, values.shape[1])), np.zeros(0)
    variance = whole.var(axis=1)
    whole = whole[np.argsort(-variance, kind="stable")[:5000]]
    centred = whole - whole.mean(axis=1, keepdims=True)
    gram = centred.T @ centred
    size, vectors = np.linalg.eigh(gram)
    k = min(k, whole.shape[1] - 1)
    size, vectors = size[::-1], vectors[:, ::-1]
    scores = (vectors[:, :k] * np.sqrt(np.maximum(size[:k], 0))).T
    loading = scores @ centred.T
    sign = np.sign(loading[np.arange(k), np.abs(loading).argmax(axis=1)])
    return scores * np.where(sign == 0, 1, sign)[:, None], size[:k] / size.sum()


def symbols(names: Iterable[Any]) -> list[str]:
    """Names of genes as approved symbols where the knowledge tables know them; others as they are."""
    from rechallenge.knowledge import resolve

    given = [str(n) for n in names]
    if not given:
        return []
    found = resolve.genes(given)
    return [g or n for g, n in zip(found["gene"], given, strict=True)]
