"""What states are made of and where they are: share of each state in each sample, shifts between groups, markers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells.groups import groups_of
from rechallenge.omics.cells.pseudobulk import asked, direction_of
from rechallenge.omics.cells.rare import COMMON, RARE
from rechallenge.omics.cells.reading import chunks, genes, kept
from rechallenge.stats.factorial import contrast
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

WILSON = "doi:10.1080/01621459.1927.10502953"
WELCH = "doi:10.1093/biomet/34.1-2.28"
SHARES = (
    "dataset", "sample", "model", "patient", "treatment", "stage", "replicate", "state", "n_cells", "n_sample",
    "fraction", "ci_low", "ci_high",
)  # fmt: skip
SHIFTS = (
    "dataset", "contrast", "kind", "model", "treatment", "state", "group_fraction", "reference_fraction", "effect",
    "effect_unit", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n", "n_group", "n_reference",
    "design", "direction", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
MARKERS = (
    "dataset", "state", "rank", "gene", "named", "log2fc", "detected_in", "detected_out", "n_samples", "n_agree",
    "status", "reason",
)  # fmt: skip
#: cells of a state and of the others that a sample needs to be asked for a marker
ASKED = 10
#: drivers that are shown beside the markers at most
DRIVERS = 6


@analysis(
    title="States in each sample",
    reference=WILSON,
    methods="Shares of states are given per sample with Wilson's interval ({confidence:.0%}), which speaks of the "
    f"cells of that sample alone ({WILSON}).",
    formula="share = cells of the state / cells of the sample, Wilson's interval",
    oracle="No outside reference: counted by hand (tests/omics/cells/test_cells_states.py)",
    limits="The interval speaks of the sampled cells, not of other samples.",
)
def state_composition(cell_states: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """One row per sample and state of its data set, states without cells too: `SHARES`. The interval is that of the
    cells that were sampled; how samples differ is the matter of `state_shifts`."""
    from statsmodels.stats.proportion import proportion_confint

    rows = []
    for dataset, part in cell_states.groupby("dataset", sort=True):
        states = sorted(part["state"].unique(), key=int)
        for sample, own in part.groupby("sample", sort=True):
            n = len(own)
            by = own["state"].value_counts()
            head = {c: _one(own[c]) for c in ("model", "patient", "treatment", "stage", "replicate")}
            for state in states:
                k = int(by.get(state, 0))
                low, high = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
                rows.append({
                    "dataset": dataset, "sample": sample, **head, "state": state, "n_cells": k, "n_sample": n,
                    "fraction": k / n, "ci_low": max(min(float(low), k / n), 0.0),
                    "ci_high": min(max(float(high), k / n), 1.0),
                })  # fmt: skip
    return pd.DataFrame(rows, columns=list(SHARES))


def _one(values: pd.Series) -> str:
    """The value of a sample, or all of them where its cells differ."""
    return "; ".join(sorted({str(v) for v in values}))


def _shift_methods(state_shifts: pd.DataFrame, confidence: float, **_: Any) -> str:
    return (
        "Shares of states were compared between groups of samples as logits (half a cell added) by t tests with the "
        f"sample as the unit ({WELCH}) and {100 * confidence:g} % intervals, adjusted by Benjamini and Hochberg within "
        "each contrast (doi:10.1111/j.2517-6161.1995.tb02031.x)."
    )


@analysis(
    title="States between groups",
    reference=WELCH,
    methods=_shift_methods,
    formula="difference of mean logit(share) between groups of samples, Welch t",
    oracle=(
        "No outside reference: shifts between samples of one kind are not called "
        "(tests/omics/cells/test_cells_states.py)"
    ),
    limits="Shares add up to one: one state that grows makes others shrink. Needs two samples a side.",
)
def state_shifts(
    cell_states: pd.DataFrame,
    cells: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    patients: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per data set, contrast (resistance, treatment or declared, see `rechallenge.contrasts`, and groups of
    patients) and state: `SHIFTS`. `effect` is the difference of mean logits of the share; samples of one replicate are
    added up, and a patient or replicate with samples on both sides is a pair. With one replicate on a side the status
    is `not_testable`. Raises NotApplicable where no two groups can be compared.
    """
    rows: list[dict[str, Any]] = []
    for dataset, whole in cell_states.groupby("dataset", sort=True):
        sheet, found_groups = asked(whole.assign(group=groups_of(whole, patients)), models, contrasts)
        sheet = sheet[sheet["model"] != ""]
        states = sorted(sheet["state"].unique(), key=int)
        mine = cells[cells["dataset"] == dataset].drop_duplicates(["_file"])
        origin = source_rows(mine["_file"], mine["_row"])
        for one in found_groups:
            sides = [sheet[groups.members(sheet, g)] for g in (one.group, one.reference)]
            names = [one.group.label, one.reference.label]
            if len(states) < 2:
                continue
            totals = [s.groupby("replicate").size() for s in sides]
            for state in states:
                counts = [s[s["state"] == state].groupby("replicate").size().reindex(t.index, fill_value=0)
                          for s, t in zip(sides, totals, strict=True)]  # fmt: skip
                arms = [_logits(c, t) for c, t in zip(counts, totals, strict=True)]
                found = contrast(arms, [1, -1], confidence=confidence, names=names)
                means = [float((c / t).mean()) if len(t) else np.nan for c, t in zip(counts, totals, strict=True)]
                rows.append({
                    "dataset": dataset, "contrast": one.contrast, "kind": one.kind, "model": one.model,
                    "treatment": one.group.treatment, "state": state, "group_fraction": means[0],
                    "reference_fraction": means[1], "effect_unit": "logit of the share", "n_group": len(totals[0]),
                    "n_reference": len(totals[1]), "direction": direction_of(one, models),
                    "source_table": "cells", "source_rows": origin,
                    **{k: getattr(found, k) for k in ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value",
                                                      "n", "design", "status", "reason")},
                })  # fmt: skip
    if not rows:
        raise NotApplicable("no two groups of samples with states can be compared: name a resistant model's parent, or "
                            "a vehicle")  # fmt: skip
    out = pd.DataFrame(rows)
    out["q_value"] = out.groupby(["dataset", "contrast"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    return out[list(SHIFTS)]


def _logits(cells: pd.Series, of: pd.Series) -> dict[str, float]:
    """Logit of the share of each replicate, half a cell added to both sides."""
    return {str(r): float(np.log((k + 0.5) / (n - k + 0.5))) for r, k, n in zip(of.index, cells, of, strict=True)}


def _asked_after(named: tuple[str, ...], rare_cells: pd.DataFrame | None, dataset: str) -> list[str]:
    """Genes that are shown whatever they are: those named, and drivers with a population, the surest first."""
    if rare_cells is None:
        return list(named)
    there = rare_cells[(rare_cells["dataset"] == dataset) & rare_cells["population"].isin([RARE, COMMON])]
    found = there.drop_duplicates("driver").sort_values(
        ["population", "p_value", "driver"], ascending=[False, True, True]
    )
    return [*named, *found["driver"].head(DRIVERS)]


@analysis(
    title="Marker genes of states",
    methods="Markers of a state are genes by their log2 ratio of mean counts per 10,000 between its cells and the "
    "others, within samples and averaged over those with at least {asked} cells of both. States are found from the "
    "same counts, so that no p-value of a marker would be honest, and none is given "
    "(doi:10.1093/biostatistics/kxac047).",
    reference="doi:10.1093/biostatistics/kxac047",
    formula="mean over samples of log2((a + 1) / (b + 1)), counts per 10,000",
    oracle="No outside reference: a description without p-value (tests/omics/cells/test_cells_states.py)",
    limits="States were found from the same counts, so no test of a marker would be honest.",
)
def state_markers(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    rare_cells: pd.DataFrame | None = None,
    *,
    named: tuple[str, ...] = (),
    most: int = 50,
    asked: int = ASKED,
) -> pd.DataFrame:
    """The `most` genes of each state that are higher in it than in the other cells, and in every state the genes that
    are asked after: `MARKERS`.

    Asked after are those of `named` and the drivers of which a population was found; `named` marks them, and their
    `rank` is 0 where they are not among the `most`.

    `log2fc` is the mean over samples of log2 ((a + 1) / (b + 1)), a and b being mean counts per 10,000 (from logarithms
    where the file has those); `n_agree` of `n_samples` have the gene higher. `detected_in` and
    `detected_out` are shares of cells with the gene. The status is `not_testable`: the cells were sorted by
    these genes.
    """
    parts = []
    for dataset, own in cell_states.groupby("dataset", sort=True):
        states = sorted(own["state"].unique(), key=int)
        if len(states) < 2:
            continue
        table = kept(cells, own)
        names = np.array(genes(table), dtype=object)
        wanted = np.flatnonzero(np.isin(names, _asked_after(named, rare_cells, str(dataset))))
        samples, labels = pd.factorize(own["sample"], sort=True)
        state = own["state"].map({s: i for i, s in enumerate(states)}).to_numpy(dtype=np.int64)
        n = len(states)
        cell = samples * n + state
        size = np.bincount(cell, minlength=len(labels) * n).reshape(-1, n).astype(float)
        level = np.zeros((len(labels) * n, len(names)))
        seen = np.zeros((n, len(names)))
        total = table["n_counts"].to_numpy(dtype=float)
        logs = (table["values"] == "log").to_numpy()
        for part in chunks(table):
            block = part.matrix
            counted = sparse.csr_array(block, copy=True)
            lengths = np.diff(block.indptr)
            per = np.repeat(1e4 / np.maximum(total[part.rows], 1), lengths)
            logged = np.repeat(logs[part.rows], lengths)
            counted.data = block.data * per
            counted.data[logged] = np.expm1(block.data[logged])
            to = sparse.csr_array((np.ones(len(part.rows)), (cell[part.rows], np.arange(len(part.rows)))),
                                  shape=(len(level), len(part.rows)))  # fmt: skip
            level += (to @ counted).toarray()
            one = sparse.csr_array((np.ones(len(part.rows)), (state[part.rows], np.arange(len(part.rows)))),
                                   shape=(n, len(part.rows)))  # fmt: skip
            seen += (one @ (block > 0).astype(np.float64)).toarray()
        by_sample = level.reshape(len(labels), n, -1)
        for i, name in enumerate(states):
            inside, outside = size[:, i], size.sum(axis=1) - size[:, i]
            asked_of = (inside >= asked) & (outside >= asked)
            n_in, n_out = inside.sum(), outside.sum()
            if asked_of.any():
                a = by_sample[asked_of, i] / inside[asked_of, None]
                b = (by_sample[asked_of].sum(axis=1) - by_sample[asked_of, i]) / outside[asked_of, None]
                reason = "the cells were sorted by these genes"
            else:  # no sample holds both: the state is a sample
                a = by_sample[:, i].sum(axis=0)[None] / max(n_in, 1)
                b = (by_sample.sum(axis=(0, 1)) - by_sample[:, i].sum(axis=0))[None] / max(n_out, 1)
                reason = "no sample holds cells of this state and others: the difference may be one of samples"
            each = np.log2((a + 1) / (b + 1))
            mean = each.mean(axis=0)
            order = np.lexsort((names.astype(str), -mean))[:most]
            order = order[mean[order] > 0]
            more = np.setdiff1d(wanted, order)
            rank = np.append(np.arange(1, len(order) + 1), np.zeros(len(more), dtype=np.int64))
            order = np.append(order, more)
            parts.append(pd.DataFrame({
                "dataset": dataset, "state": name, "rank": rank, "gene": names[order], "named": np.isin(order, wanted),
                "log2fc": mean[order], "detected_in": seen[i][order] / max(n_in, 1),
                "detected_out": (seen.sum(axis=0) - seen[i])[order] / max(n_out, 1),
                "n_samples": int(asked_of.sum()), "n_agree": (each[:, order] > 0).sum(axis=0) if asked_of.any() else 0,
                "status": "not_testable", "reason": reason,
            }))  # fmt: skip
    if not parts:
        raise NotApplicable("no data set has two states of cells")
    return pd.concat(parts, ignore_index=True)[list(MARKERS)]
