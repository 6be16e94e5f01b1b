"""Which of the genes that change with resistance belong together, and whether they are joined more than chance."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import knowledge
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.modules import network
from rechallenge.omics.modules.contract import FULL, links
from rechallenge.stats.multiplicity import bh

MCODE = "doi:10.1186/1471-2105-4-2"
LEIDEN = "doi:10.1038/s41598-019-41695-z"
STRING = "doi:10.1093/nar/gkac1000"
#: contrasts that speak of resistance: the study's own, and those that others analysed
KINDS = ("resistance", "analysed elsewhere")
COMMUNITY, CORE = "community (Leiden)", "dense core (MCODE-like)"
OWN, INSTALLED = "interactions", "string_links"
KEY = ("dataset", "layer", "contrast", "kind", "model")
#: genes of like degree that a random gene is drawn from, at least
LIKE = 50
#: hubs named per module
HUBS = 3
MODULES = (
    *KEY, "method", "module", "n_genes", "n_edges", "density", "score", "top_node_score", "genes", "hubs",
    "mean_log2fc", "n_up", "n_down", "network", "status", "reason", "source_table",
)  # fmt: skip
CONNECTEDNESS = (
    *KEY, "n_called", "n", "n_universe", "observed", "expected", "null_low", "null_high", "ratio", "p_value", "q_value",
    "n_permutations", "network", "status", "reason", "source_table",
)  # fmt: skip
GENES = (
    *KEY, "gene", "log2fc", "q_value", "degree", "degree_universe", "node_score", "community", "core", "network",
)  # fmt: skip
LINKS = (*KEY, "gene_a", "gene_b", "score", "network")


def _methods(result: dict[str, pd.DataFrame], alpha: float, fold: float, at_most: int, score: float, cutoff: float,
             resolution: float, n_permutations: int, **_: Any) -> str:  # fmt: skip
    tested = result["module_connectedness"]
    if tested.empty:
        return ""
    source = "interactions given with the study" if set(tested["network"]) == {OWN} else f"STRING ({STRING})"
    return (
        f"Genes called in resistance (q < {alpha:g}, |log2 fold change| >= {fold:g}; at most {at_most}, the surest) "
        f"were joined by {source} with a score of at least {score:g}. Their number of links was compared with that of "
        f"{n_permutations:,} random sets of tested genes with like numbers of partners. Communities were found by the "
        f"Leiden method ({LEIDEN}; resolution {resolution:g}), dense cores after Bader and Hogue ({MCODE}; weight "
        f"cut-off {cutoff:g}, two links or more, no fluff); the score of a module is its density times its genes."
    )


@dataclass(frozen=True)
class _Net:
    """Links [gene_a, gene_b, score] and where they are from."""

    links: pd.DataFrame
    name: str


def _network(interactions: pd.DataFrame | None, score: float) -> _Net:
    from rechallenge.knowledge.errors import KnowledgeError

    if interactions is not None and len(interactions):
        table, name = links(interactions), OWN
    else:
        try:
            known = knowledge.table(INSTALLED)
        except KnowledgeError as e:
            raise NotApplicable(
                "there is no table of interactions, and STRING is not installed "
                f"(rechallenge knowledge fetch {INSTALLED})"
            ) from e
        given = known.rename(columns={"gene_a": "protein_a", "gene_b": "protein_b"})
        # the scale of the installed table is known, whatever its highest score
        table, name = links(given.assign(score=given["score"].astype(float) / FULL)), INSTALLED
    return _Net(table[table["score"] >= score].reset_index(drop=True), name)


def tested_genes(part: pd.DataFrame) -> pd.DataFrame:
    """One row per tested gene of a contrast, indexed by symbol in order: log2fc, q_value. Of a gene that is there more
    than once the surest."""
    there = part[part["p_value"].notna() & part["log2fc"].notna()]
    name = there["gene"].where(there["gene"].notna() & (there["gene"] != ""), there["feature"]).astype(str)
    size = there["log2fc"].abs()
    order = there.assign(symbol=name, _size=-size).sort_values(
        ["symbol", "p_value", "_size", "log2fc"], kind="mergesort"
    )
    return order.drop_duplicates("symbol").set_index("symbol")[["log2fc", "p_value", "q_value"]].astype(float)


@analysis(
    title="Modules of interacting genes",
    gives=("modules", "module_connectedness", "module_genes", "module_links"),
    reference=(MCODE, LEIDEN),
    methods=_methods,
    formula=(
        "connectedness: links among called genes against random genes of like degree; core score = density x "
        "genes; communities by Leiden"
    ),
    oracle=(
        "No outside reference: MCODE's score of a complete graph of 16, networkx cores, uniform null "
        "(tests/omics/test_modules.py)"
    ),
    limits=(
        "Interaction tables know well-studied genes best. Genes are the units: other samples may give another "
        "list. A module is no evidence for one gene."
    ),
)
def modules(
    differential: pd.DataFrame,
    interactions: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
    fold: float = 1.0,
    at_least: int = 5,
    at_most: int = 500,
    score: float = 0.7,
    smallest: int = 3,
    cutoff: float = 0.2,
    resolution: float = 1.0,
    n_permutations: int = 1999,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Modules of the genes called in every contrast of resistance.

    `module_connectedness`: one row per contrast, `CONNECTEDNESS`. `observed` are links among the `n` called genes that
    the network knows (of `n_called`), `expected` those among random tested genes of like degree, `null_low` and
    `null_high` their central 95 %, `p_value` one-sided, (b + 1) / (m + 1). The test takes genes as its units: it says
    that the list is joined, not that other samples would give the same list. Fewer than `at_least` such genes are
    "not_testable"; of more than `at_most` the surest are taken, which `reason` says.

    `modules`: communities and dense cores of at least `smallest` genes, `MODULES`; `score` is density x genes,
    `mean_log2fc` describes genes that were chosen for their change, so nothing of it is tested (status
    "not_testable"). `module_genes` and `module_links`: the network itself; `community` and `core` are numbers of
    modules, missing for genes in none.

    `score` is the least confidence of a link (0 to 1). Raises NotApplicable without a network or a tested contrast.
    """
    table = differential[
        differential["kind"].isin(KINDS)
        & differential["layer"].isin(["rna", "protein"])
        & differential["p_value"].notna()
    ]
    if table.empty:
        raise NotApplicable("no contrast of genes or proteins with resistance was tested")
    net = _network(interactions, score)
    found: dict[str, list[Any]] = {"modules": [], "module_connectedness": [], "module_genes": [], "module_links": []}
    for values, part in table.groupby(list(KEY), sort=True, dropna=False):
        key = {**dict(zip(KEY, values, strict=True)), "network": net.name}
        called = _Called(part, net, alpha=alpha, fold=fold, at_most=at_most)
        rng = np.random.default_rng([seed, zlib.crc32("|".join(map(str, values)).encode())])
        row = called.connectedness(at_least, n_permutations, rng)
        found["module_connectedness"].append({**key, **row, "source_table": "differential"})
        if row["status"] != "estimated":
            continue
        groups = {
            COMMUNITY: network.communities(
                called.graph, called.weights, resolution=resolution, smallest=smallest, seed=seed
            ),
            CORE: network.dense_cores(called.graph, called.scores, cutoff=cutoff, smallest=smallest),
        }
        for method, groups_of in groups.items():
            found["modules"] += [
                {**key, "method": method, "module": i, **called.describe(g)} for i, g in enumerate(groups_of, start=1)
            ]
        found["module_genes"] += [{**key, **r} for r in called.nodes(groups)]
        found["module_links"] += [
            {**key, "gene_a": called.names[a], "gene_b": called.names[b], "score": w}
            for (a, b), w in sorted(called.weights.items())
        ]
    columns = {"modules": MODULES, "module_connectedness": CONNECTEDNESS, "module_genes": GENES, "module_links": LINKS}
    out = {name: pd.DataFrame(rows, columns=list(columns[name])) for name, rows in found.items()}
    out["module_connectedness"]["q_value"] = bh(out["module_connectedness"]["p_value"].astype(float))
    for name in ("community", "core"):
        out["module_genes"][name] = out["module_genes"][name].astype("Int64")
    return out


class _Called:
    """The called genes of one contrast that the network knows, and the links among them."""

    def __init__(self, part: pd.DataFrame, net: _Net, *, alpha: float, fold: float, at_most: int) -> None:
        genes = tested_genes(part)
        pairs = net.links[net.links["gene_a"].isin(genes.index) & net.links["gene_b"].isin(genes.index)]
        #: tested genes with a link to another tested gene, in order
        self.universe = pd.Index(sorted(set(pairs["gene_a"]) | set(pairs["gene_b"])), dtype=object)
        self.pairs = np.column_stack([self.universe.get_indexer(pd.Index(pairs[c])) for c in ("gene_a", "gene_b")])
        hits = genes[(genes["q_value"] < alpha) & (genes["log2fc"].abs() >= fold)]
        self.n_called = len(hits)
        hits = hits[hits.index.isin(self.universe)]
        self.n_linked = len(hits)
        sure = hits.assign(_size=-hits["log2fc"].abs()).sort_values(["p_value", "_size"], kind="mergesort")
        self.hits = sure.head(at_most).sort_index()
        self.names: list[str] = self.hits.index.tolist()
        self.chosen = self.universe.get_indexer(self.hits.index)
        rank = np.full(len(self.universe), -1)
        rank[self.chosen] = np.arange(len(self.chosen))
        local = rank[self.pairs]
        both = (local >= 0).all(axis=1) if len(local) else np.zeros(0, dtype=bool)
        self.weights = {
            (int(min(a, b)), int(max(a, b))): float(w)
            for (a, b), w in zip(local[both], pairs["score"].to_numpy()[both], strict=True)
        }
        self.graph = network.graph(len(self.names), self.weights)
        self.scores = network.node_scores(self.graph)

    def connectedness(self, at_least: int, n_permutations: int, rng: np.random.Generator) -> dict[str, Any]:
        """The row of the test."""
        n = len(self.names)
        row: dict[str, Any] = {"n_called": self.n_called, "n": n, "n_universe": len(self.universe)}
        if n < at_least:
            reason = f"{n} of {self.n_called} called genes are in the network, {at_least} are needed"
            return {**row, "n_permutations": 0, "status": "not_testable", "reason": reason}
        observed, null = network.random_links(
            len(self.universe), self.pairs, self.chosen, n_permutations=n_permutations, least=LIKE, rng=rng
        )
        expected = float(null.mean())
        low, high = np.quantile(null, [0.025, 0.975])
        cut = f"the {n} surest of {self.n_linked} called genes in the network" if n < self.n_linked else ""
        return {
            **row,
            "observed": observed,
            "expected": expected,
            "null_low": float(low),
            "null_high": float(high),
            "ratio": observed / expected if expected > 0 else np.nan,
            "p_value": (1 + int((null >= observed).sum())) / (n_permutations + 1),
            "n_permutations": n_permutations,
            "status": "estimated",
            "reason": cut,
        }

    def describe(self, group: list[int]) -> dict[str, Any]:
        """What a module is."""
        part = network.inside(self.graph, group)
        change = self.hits["log2fc"].to_numpy()[group]
        hubs = sorted(part, key=lambda i: (-len(part[i]), self.names[i]))[:HUBS]
        return {
            "n_genes": len(group),
            "n_edges": network.n_edges(part),
            "density": network.density(part),
            "score": network.module_score(part),
            "top_node_score": float(self.scores[group].max()),
            "genes": ";".join(self.names[i] for i in group),
            "hubs": ";".join(self.names[i] for i in hubs),
            "mean_log2fc": float(change.mean()),
            "n_up": int((change > 0).sum()),
            "n_down": int((change < 0).sum()),
            "status": "not_testable",
            "reason": "a module describes genes that were chosen for their change",
            "source_table": "differential",
        }

    def nodes(self, groups: dict[str, list[list[int]]]) -> list[dict[str, Any]]:
        """Every called gene that the network knows, by name."""
        member = {m: {i: k for k, g in enumerate(gs, start=1) for i in g} for m, gs in groups.items()}
        degree = np.bincount(self.pairs.ravel(), minlength=len(self.universe))[self.chosen]
        return [
            {
                "gene": gene,
                "log2fc": self.hits["log2fc"].iloc[i],
                "q_value": self.hits["q_value"].iloc[i],
                "degree": len(self.graph[i]),
                "degree_universe": int(degree[i]),
                "node_score": self.scores[i],
                "community": member[COMMUNITY].get(i),
                "core": member[CORE].get(i),
            }
            for i, gene in enumerate(self.names)
        ]
