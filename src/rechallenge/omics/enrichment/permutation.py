"""Gene sets tested by exchanging samples: the labels of samples are permuted, not those of genes.

Genes of a set move together in any sample, so a set may lie at one end of a ranking by chance far more often than
random genes do. Permuting the genes of a ranking (preranked analysis) cannot know that; permuting samples can, since it
leaves the genes of each sample together (Subramanian et al. 2005, doi:10.1073/pnas.0506580102; Goeman and Bühlmann
2007, doi:10.1093/bioinformatics/btm051). It needs enough samples: with three against three there are ten ways to part
them, whose least p is .1.

Genes are ranked by moderated t (Smyth 2004, doi:10.2202/1544-6115.1027), computed anew, prior included, for every
relabelling; samples are exchanged within blocks alone. The observed labelling is one of them, so p is exact.
"""

from __future__ import annotations

from math import comb, prod

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rechallenge.omics.enrichment.testing import Sets, within
from rechallenge.stats.moderated import trigamma_inverse
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
COLUMNS = ["term", "size", "es", "nes", "p_value", "q_value", "leading_edge"]
#: relabellings whose statistics are held at once
CHUNK = 250


def relabellings(group: NDArray[np.bool_], block: Ints) -> int:
    """How many different ways there are to part the samples into two groups of these sizes within every block."""
    return prod(comb(int((block == b).sum()), int(group[block == b].sum())) for b in np.unique(block))


def relabelled(group: NDArray[np.bool_], block: Ints, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """``n`` random labellings [n, samples] with the group sizes of every block kept."""
    out = np.zeros((n, len(group)), dtype=bool)
    for b in np.unique(block):
        at = np.flatnonzero(block == b)
        keys = rng.random((n, len(at))).argsort(axis=1)
        out[:, at] = group[at][keys]
    return out


def moderated_t(levels: Floats, labels: NDArray[np.bool_], block: Ints) -> Floats:
    """Moderated t [labellings, genes] of ``levels`` [genes, samples] for each of ``labels`` [labellings, samples],
    positive where the labelled samples are higher, blocks taken off."""
    base = np.eye(int(block.max()) + 1)[block]
    basis = np.linalg.qr(base)[0]
    y = levels - (levels @ basis) @ basis.T
    x = labels.astype(float)
    x = x - (x @ basis) @ basis.T
    size = (x**2).sum(axis=1)[:, None]
    effect = (x @ y.T) / size
    df = levels.shape[1] - base.shape[1] - 1
    rest = np.maximum((y**2).sum(axis=1) - effect**2 * size, 0.0)
    variance = rest / df
    floor = 1e-5 * np.median(variance, axis=1, keepdims=True)
    e = np.log(np.maximum(variance, floor)) - special.digamma(df / 2) + np.log(df / 2)
    spread = e.var(axis=1, ddof=1) - float(special.polygamma(1, df / 2))
    centre = e.mean(axis=1)
    known = spread > 0
    d0 = np.where(known, 2 * trigamma_inverse(np.where(known, spread, 1.0)), np.inf)
    with np.errstate(invalid="ignore"):
        drawn = np.exp(centre + np.where(known, special.digamma(d0 / 2) - np.log(d0 / 2), 0.0))
        s0 = np.where(known, drawn, variance.mean(axis=1))
        post = np.where(known[:, None], (d0[:, None] * s0[:, None] + df * variance) / (d0[:, None] + df), s0[:, None])
    return np.asarray(effect / np.sqrt(post / size))


def scores(statistic: Floats, members: Ints, starts: Ints) -> Floats:
    """Enrichment scores [labellings, sets] of ``statistic`` [labellings, genes]; set k has the genes
    members[starts[k]:starts[k + 1]]."""
    from rechallenge.stats.running_sum import farthest

    out = np.empty((len(statistic), len(starts) - 1))
    for i, row in enumerate(statistic):
        order = np.argsort(-row, kind="stable")
        position = np.empty(len(row), dtype=np.int64)
        position[order] = np.arange(len(row))
        out[i] = farthest(position, np.abs(row), members, starts)
    return out


def gsea(
    levels: Floats,
    genes: list[str],
    group: NDArray[np.bool_],
    block: Ints,
    sets: Sets,
    *,
    smallest: int,
    largest: int,
    n_permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Enrichment of ``sets`` in ``group`` against the other samples: term, size, es, nes, p_value (two-sided), q_value,
    leading_edge.

    ``levels`` [genes, samples] in log2, ``genes`` unique. `nes` is the score over the mean size of the scores of its
    sign among all labellings. Raises ValueError where no residual degree of freedom is left.
    """
    if len(group) - len(np.unique(block)) - 1 < 1:
        raise ValueError("no residual degree of freedom: nothing tells how samples scatter")
    varies = np.ptp(levels, axis=1) > 0
    y, named = levels[varies], [g for g, v in zip(genes, varies, strict=True) if v]
    kept = within(sets, named, smallest, largest)
    if not kept or len(named) < 2 * smallest:
        return pd.DataFrame(columns=COLUMNS)
    at = {g: i for i, g in enumerate(named)}
    members = np.array([at[g] for v in kept.values() for g in v], dtype=np.int64)
    starts = np.cumsum([0, *(len(v) for v in kept.values())]).astype(np.int64)
    labels = relabelled(group, block, n_permutations, np.random.default_rng(seed))
    first = moderated_t(y, group[None, :], block)
    parts = [scores(first, members, starts)]
    parts += [
        scores(moderated_t(y, labels[i : i + CHUNK], block), members, starts) for i in range(0, n_permutations, CHUNK)
    ]
    es = np.vstack(parts)
    mean = [np.where((s * es > 0).any(axis=0), np.sum(np.where(s * es > 0, np.abs(es), 0), axis=0)
            / np.maximum((s * es > 0).sum(axis=0), 1), np.nan) for s in (1, -1)]  # fmt: skip
    nes = es / np.where(es >= 0, mean[0], mean[1])
    nes = np.nan_to_num(nes)
    p = (np.abs(nes) >= np.abs(nes[0]) * (1 - 1e-12)).sum(axis=0) / len(nes)
    out = pd.DataFrame(
        {
            "term": list(kept),
            "size": [len(v) for v in kept.values()],
            "es": es[0],
            "nes": nes[0],
            "p_value": p,
            "q_value": bh(p),
            "leading_edge": [leading(first[0], named, v, float(s)) for v, s in zip(kept.values(), es[0], strict=True)],
        }
    )
    return out.sort_values("term", kind="mergesort", ignore_index=True)[COLUMNS]


def leading(statistic: Floats, genes: list[str], members: list[str], score: float) -> str:
    """The genes of a set up to the farthest deviation, surest first, parted by ;."""
    order = np.argsort(-statistic, kind="stable")
    hit = np.isin(np.array(genes, dtype=object)[order], members)
    weight = np.abs(statistic[order]) * hit
    running = np.cumsum(weight / max(weight.sum(), 1e-300) - ~hit / max(int((~hit).sum()), 1))
    names = np.array(genes, dtype=object)[order]
    if score >= 0:
        return ";".join(names[: int(running.argmax()) + 1][hit[: int(running.argmax()) + 1]])
    lowest = int(running.argmin()) + 1
    return ";".join(names[lowest:][hit[lowest:]][::-1])
