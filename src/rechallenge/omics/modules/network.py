"""Graphs as lists of neighbours: dense cores, communities, and whether a list is joined more than chance.

Dense cores follow Bader and Hogue 2003 (doi:10.1186/1471-2105-4-2): a node weighs the density
of the highest k-core of its neighbourhood (itself included) times k; a core grows from the heaviest node over
neighbours that are nearly as heavy, and keeps nodes with two links or more inside. Neither loops nor "fluff".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
#: node -> its neighbours; nodes are whole numbers, so that sets have the same order in every run
Graph = dict[int, set[int]]
#: starts of the search for communities, and rounds of each
TRIALS, ROUNDS = 10, 2


def graph(n: int, edges: Iterable[tuple[int, int]]) -> Graph:
    """Neighbours of nodes 0 to ``n`` - 1; links of a node with itself are left out."""
    out: Graph = {i: set() for i in range(n)}
    for a, b in edges:
        if a != b:
            out[a].add(b)
            out[b].add(a)
    return out


def inside(whole: Graph, nodes: Iterable[int]) -> Graph:
    """The graph among ``nodes`` alone."""
    kept = set(nodes)
    return {i: whole[i] & kept for i in sorted(kept)}


def n_edges(part: Graph) -> int:
    return sum(map(len, part.values())) // 2


def density(part: Graph) -> float:
    """Links there are of those there could be, without loops; 0 for one node."""
    n = len(part)
    return 2 * n_edges(part) / (n * (n - 1)) if n > 1 else 0.0


def k_core(part: Graph, k: int) -> Graph:
    """What is left when nodes with fewer than ``k`` neighbours are taken away until none is left to take."""
    left = {i: set(v) for i, v in part.items()}
    go = [i for i, v in left.items() if len(v) < k]
    while go:
        node = go.pop()
        for other in left.pop(node, set()):
            if other in left:
                left[other].discard(node)
                if len(left[other]) == k - 1:
                    go.append(other)
    return left


def node_scores(whole: Graph) -> Floats:
    """k times the density of the highest k-core of every node's neighbourhood, itself included; 15 in a complete
    graph of 16."""
    out = np.zeros(len(whole))
    for node, near in whole.items():
        core, k = inside(whole, near | {node}), 0
        while following := k_core(core, k + 1):
            core, k = following, k + 1
        out[node] = k * density(core)
    return out


def dense_cores(whole: Graph, scores: Floats, *, cutoff: float = 0.2, smallest: int = 3) -> list[list[int]]:
    """Cores, each from the heaviest node not yet taken over neighbours of a weight above (1 - ``cutoff``) of that
    node's, cut to the nodes with two links or more inside; the highest density x size first. Ties go to the lower
    number."""
    seen: set[int] = set()
    found = []
    for seed in np.lexsort((np.arange(len(scores)), -scores)).tolist():
        if seed in seen or scores[seed] <= 0:
            continue
        members, front = {seed}, [seed]
        while front:
            near = whole[front.pop()] - members - seen
            grown = sorted(i for i in near if scores[i] > (1 - cutoff) * scores[seed])
            members.update(grown)
            front += grown
        seen |= members
        core = k_core(inside(whole, members), 2)
        if len(core) >= smallest:
            found.append(sorted(core))
    return by_score(whole, found)


def module_score(part: Graph) -> float:
    """Density times number of nodes."""
    return density(part) * len(part)


def by_score(whole: Graph, groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Groups with the highest score first, ties by their nodes."""
    return sorted((sorted(g) for g in groups), key=lambda g: (-module_score(inside(whole, g)), g))


def communities(
    whole: Graph, weights: dict[tuple[int, int], float], *, resolution: float, smallest: int, seed: int
) -> list[list[int]]:
    """Communities of highest modularity by Leiden (doi:10.1038/s41598-019-41695-z) on ``weights`` of links (a, b),
    a < b; those of at least ``smallest`` nodes, the highest density x size first. Of ``TRIALS`` starts the best, each
    repeated on its own result. Nodes without a link are in none."""
    if not weights:
        return []
    from graspologic_native import leiden

    edges = [(str(a), str(b), float(w)) for (a, b), w in sorted(weights.items())]
    _, community = leiden(edges, resolution=resolution, iterations=ROUNDS, trials=TRIALS, seed=seed)
    parts: dict[int, list[int]] = {}
    for node, label in sorted(community.items(), key=lambda item: int(item[0])):
        parts.setdefault(int(label), []).append(int(node))
    return by_score(whole, [p for p in parts.values() if len(p) >= smallest])


def strata(degree: Whole, least: int) -> Whole:
    """A stratum per node: nodes of like degree, at least ``least`` in each; equal degrees are never parted."""
    values, counts = np.unique(degree, return_counts=True)
    label = np.zeros(len(values), dtype=np.int64)
    current = held = 0
    for i, count in enumerate(counts):
        label[i] = current
        held += int(count)
        if held >= least and counts[i + 1 :].sum() >= least:
            current, held = current + 1, 0
    return label[np.searchsorted(values, degree)]


def random_links(
    n: int,
    pairs: Whole,
    chosen: Whole,
    *,
    n_permutations: int,
    least: int,
    rng: np.random.Generator,
) -> tuple[int, Whole]:
    """Links among ``chosen`` of ``n`` nodes joined by ``pairs`` [links, 2], and among as many random nodes of like
    degree, ``n_permutations`` times. Every stratum of degree gives as many nodes as it has chosen ones."""
    from scipy import sparse

    ones = np.ones(len(pairs))
    half = sparse.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    member = np.zeros(n)
    member[chosen] = 1
    observed = round(member @ (half @ member))
    stratum = strata(np.bincount(pairs.ravel(), minlength=n), least)
    out = []
    for start in range(0, n_permutations, 200):
        m = min(200, n_permutations - start)
        drawn = []
        for s in np.unique(stratum[chosen]):
            pool = np.flatnonzero(stratum == s)
            k = int((stratum[chosen] == s).sum())
            drawn.append(pool[np.argsort(rng.random((m, len(pool))), axis=1)[:, :k]])
        columns = np.concatenate(drawn, axis=1)
        rows = np.repeat(np.arange(m), columns.shape[1])
        sets = sparse.csr_matrix((np.ones(columns.size), (rows, columns.ravel())), shape=(m, n))
        out.append(np.asarray((sets @ half).multiply(sets).sum(axis=1)).ravel())
    return observed, np.rint(np.concatenate(out)).astype(np.int64)
