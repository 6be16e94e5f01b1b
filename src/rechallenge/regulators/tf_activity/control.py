"""Which transcription factors may control a gene: three things that are wanted together, each of them visible.

A factor is a candidate where a regulon has an edge from it to the gene, or its motif lies in the gene's promoter. It is
supported where its activity moved, and its own transcript changed, in the direction that explains the change of the
gene, all in one and the same contrast: by an intersection-union test the p-value is the largest of the three (Berger
1982, doi:10.1080/00401706.1982.10487790). What was not measured is called so and supports nothing. An association it
remains: a factor can act without a change of its own, and what changes with a gene need not control it.

Beside the three stands what the bench measured, each under its own name and each possibly not measured: the factor's
protein, ChIP at the gene, the reporter of its promoter and whether it needs the site; and, as a hint from tables of
knowledge, by whom the factor is modified. They change no p-value; a factor that ChIP or a reporter asked about is a
candidate even where no edge is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.questions.collections import STARTER
from rechallenge.knowledge.questions.collections import regulons as edges
from rechallenge.regulators.tf_activity import bench
from rechallenge.regulators.tf_activity.bench import AGAINST, KNOWN, NO, UNKNOWN, YES
from rechallenge.report.words import equals, number
from rechallenge.stats.multiplicity import bh

BERGER = "doi:10.1080/00401706.1982.10487790"
SUPPORTED, PART, UNSUPPORTED, OPEN = "supported", "in part", "not supported", "not measured"
HINT = "hint from knowledge"
#: columns of the figure
SHOWN = ["edge", "motif", "activity", "own change", "protein", "ChIP", "reporter", "needs site", "modification"]
KEYS = ["dataset", "contrast", "kind", "model"]
COLUMNS = (
    *KEYS, "gene", "chosen", "gene_log2fc", "gene_p_value", "gene_q_value", "tf", "edge", "edge_source", "edge_basis",
    "motif",
    "motif_p_any", "activity", "activity_z", "activity_p_value", "activity_q_value", "own_change", "own_log2fc",
    "own_p_value", "own_q_value", *bench.COLUMNS, "p_value", "q_value", "n", "direction", "verdict", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


def _methods(regulators: pd.DataFrame, alpha: float, **_: Any) -> str:
    genes = regulators["gene"].nunique()
    return (
        f"Transcription factors with a curated edge to or a motif in the promoter of {genes} genes were called "
        "supported where gene, activity of the factor and its own transcript moved in agreeing directions "
        f"(intersection-union test, {BERGER}; Benjamini and Hochberg over all candidates, q < {alpha:g})."
    )


@analysis(
    title="Regulators of changed genes",
    reference=BERGER,
    methods=_methods,
    formula="p = max(p_activity, p_own change, p_gene), all in one contrast and in agreeing direction",
    oracle=(
        "No outside reference: idle candidates are rarely supported, planted ones are "
        "(tests/regulators/test_regulators.py)"
    ),
    limits=(
        "A factor can act without a change of its own (ILF3 by acetylation). Association: what changes with a "
        "gene need not control it."
    ),
)
def regulators(
    differential: pd.DataFrame,
    tf_activity: pd.DataFrame | None = None,
    motifs: pd.DataFrame | None = None,
    shared_genes: pd.DataFrame | None = None,
    regulons: pd.DataFrame | None = None,
    comparisons: pd.DataFrame | None = None,
    reporter: pd.DataFrame | None = None,
    *,
    genes: Sequence[str] = (),
    most_genes: int = 10,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """One row per contrast of transcripts, gene and candidate factor: `COLUMNS`.

    `genes` are those asked for; without them, at most `most_genes` that resistant lines share, else that changed most
    surely in resistance (`chosen` says which). `edge` is +1 or -1 where a regulon has it and
    `edge_basis` what a published study's edge rests on, `motif` what `motifs` says of
    the factor there. `activity` and `own_change` are `yes` (q < `alpha`, in the direction that explains the gene),
    `opposite`, `no change shown` or `not measured`; an edge that represses turns the direction, a motif alone is taken
    to activate. `protein` says the same of the factor's protein, `chip` of its antibody against IgG at the gene,
    `reporter` of the promoter's response to it, `site` whether that needs the mutated site (`yes`), each with its
    sentence; `ptm` is `known` or `unknown`. `p_value` is the largest of the three where all agree in sign, else 1;
    missing where one of them was not measured. `verdict` is supported by these three, in part where one of them or of
    ChIP and the reporter speaks for it and none against. Raises NotApplicable where no gene or no candidate is there.
    """
    table = differential[(differential["layer"] == "rna") & differential["p_value"].notna()]
    table = table[table["gene"].fillna("").astype(str) != ""]
    wanted, why = _wanted(table, shared_genes, list(genes), most_genes, alpha)
    if not wanted:
        raise NotApplicable("no gene changed with resistance and none was asked for")
    if (table["kind"] == "resistance").any():
        table = table[table["kind"] == "resistance"]
    proteins = differential[(differential["layer"] == "protein") & differential["p_value"].notna()]
    seen = bench.Bench(proteins, comparisons, reporter, alpha)
    possible = _candidates(edges(regulons), motifs, wanted, seen)
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(KEYS, sort=True, dropna=False):
        order = part.sort_values(["gene", "p_value", "feature"], kind="mergesort").drop_duplicates("gene")
        at = order.set_index("gene")
        active = _activities(tf_activity, key)
        mine: list[dict[str, Any]] = _records(possible[possible["gene"].isin(at.index)])
        where = dict(zip(KEYS, key, strict=True))
        for row in mine:
            sign = float(np.sign(at.loc[row["gene"], "log2fc"])) * (-1.0 if row["edge"] < 0 else 1.0)
            more = seen.of(row["gene"], row["tf"], where, sign, row["edge"])
            rows.append({**where, **row, **_one(row, at, active, alpha), **more})
    if not rows:
        raise NotApplicable(
            f"no factor with an edge or a motif is known for {', '.join(wanted)}: rechallenge knowledge fetch "
            "collectri, or give regulons or promoters"
        )
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["chosen"], out["source_table"] = why, "differential"
    out["q_value"] = bh(out["p_value"].to_numpy(float))
    out["verdict"] = [_verdict(row, alpha) for row in _records(out)]
    rank = out["verdict"].map({SUPPORTED: 0, PART: 1, OPEN: 2, UNSUPPORTED: 3})
    order = out.assign(_rank=rank, _at=out["gene"].map({g: i for i, g in enumerate(wanted)}))
    by = ["dataset", "contrast", "_at", "_rank", "p_value", "tf"]
    return order.sort_values(by, kind="mergesort", ignore_index=True).drop(columns=["_rank", "_at"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _wanted(
    table: pd.DataFrame, shared: pd.DataFrame | None, genes: list[str], most: int, alpha: float
) -> tuple[list[str], str]:
    """The genes to explain, the surest first, and why these."""
    if genes:
        return list(dict.fromkeys(genes)), "asked for"
    if shared is not None and len(shared):
        known = table.drop_duplicates("feature").set_index("feature")["gene"]
        s = shared[(shared["layer"] == "rna") & (shared["q_value"] < alpha) & (shared["direction"] != 0)]
        s = s.assign(gene=s["feature"].map(known)).dropna(subset=["gene"])
        s = s.assign(_size=s["least"].abs()).sort_values(["q_value", "_size", "gene"], ascending=[True, False, True])
        if len(s):
            return list(dict.fromkeys(s["gene"]))[:most], f"at most {most} that resistant lines share, the surest"
    own = table[(table["kind"] == "resistance") & (table["q_value"] < alpha)].sort_values(["p_value", "gene"])
    return list(dict.fromkeys(own["gene"]))[:most], f"at most {most} that changed most surely in resistance"


def _candidates(known: pd.DataFrame, motifs: pd.DataFrame | None, genes: list[str], seen: bench.Bench) -> pd.DataFrame:
    """Gene, factor, edge (nan: none known) with its source, what the promoter says of its motif. Pairs that the
    bench asked about (`seen`) are candidates too."""
    found = known[known["target"].isin(genes)].rename(columns={"target": "gene", "regulons": "edge_source"})
    found = found.assign(edge=np.sign(found["weight"]))[["gene", "tf", "edge", "edge_source"]]
    factors = set(known["tf"]) | (set() if motifs is None else {t.upper() for t in motifs["tf"].fillna("")})
    more = sorted({(g, t) for g, t in seen.pairs(factors) if g in genes and g != t})
    extra = pd.DataFrame(more, columns=["gene", "tf"]).merge(found[["gene", "tf"]], how="left", indicator=True)
    extra = extra[extra["_merge"] == "left_only"].drop(columns="_merge").assign(edge=np.nan, edge_source="")
    bare = set(zip(extra["gene"], extra["tf"], strict=True))
    found = pd.concat([t for t in (found, extra) if len(t)] or [found], ignore_index=True)
    scanned: set[str] = set()
    if motifs is not None and len(motifs):
        hits = motifs[motifs["gene"].isin(genes) & motifs["tf"].fillna("").ne("")]
        scanned = set(hits["gene"])
        hits = hits.assign(tf=hits["tf"].str.split("::")).explode("tf")
        hits = hits.assign(tf=hits["tf"].str.replace(r"\(.*\)", "", regex=True).str.strip().str.upper())
        best = hits.sort_values(["gene", "tf", "p_any", "verdict"], kind="mergesort").drop_duplicates(["gene", "tf"])
        # the table of motifs has a column `motif` of its own: the matrix
        best = best[["gene", "tf", "verdict", "p_any"]].rename(columns={"verdict": "motif", "p_any": "motif_p_any"})
        # a motif that chance gives makes no candidate; it is shown where an edge makes one
        best = best[(best["motif"] == "rarer than chance") | best["tf"].isin(found["tf"])]
        found = found.merge(best, on=["gene", "tf"], how="outer")
        measured = np.array([(g, t) in bare for g, t in zip(found["gene"], found["tf"], strict=True)], dtype=bool)
        found = found[found["edge"].notna() | (found["motif"] == "rarer than chance") | measured]
    else:
        found = found.assign(motif=None, motif_p_any=np.nan)
    without = found["gene"].map(lambda g: "no hit" if g in scanned else UNKNOWN)
    found["motif"] = found["motif"].astype(object).where(found["motif"].notna(), without)
    found["edge_source"] = found["edge_source"].fillna("")
    rests = bench.edge_bases()
    built = [s == STARTER for s in found["edge_source"]]
    pairs = zip(found["tf"], found["gene"], built, strict=True)
    found["edge_basis"] = [rests.get((t, g), "") if own else "" for t, g, own in pairs]
    return found[found["gene"] != found["tf"]].sort_values(["gene", "tf"], kind="mergesort", ignore_index=True)


def _activities(tf_activity: pd.DataFrame | None, key: Any) -> pd.DataFrame:
    if tf_activity is None or tf_activity.empty:
        return pd.DataFrame(columns=["z", "p_value", "q_value"])
    of = dict(zip(KEYS, key, strict=True))
    mine = (tf_activity["dataset"] == of["dataset"]) & (tf_activity["contrast"] == of["contrast"])
    out: pd.DataFrame = tf_activity[mine & tf_activity["p_value"].notna()].set_index("tf")
    return out[["z", "p_value", "q_value"]]


def _one(row: dict[str, Any], at: pd.DataFrame, active: pd.DataFrame, alpha: float) -> dict[str, Any]:
    """What the contrast says of one candidate."""
    gene, tf = at.loc[row["gene"]], row["tf"]
    sign = -1.0 if row["edge"] < 0 else 1.0
    wanted = float(np.sign(gene["log2fc"])) * sign
    act = active.loc[tf] if tf in active.index else None
    own = at.loc[tf] if tf in at.index else None
    out: dict[str, Any] = {
        "gene_log2fc": gene["log2fc"], "gene_p_value": gene["p_value"], "gene_q_value": gene["q_value"],
        "n": gene.get("n", np.nan), "source_rows": gene.get("source_rows", ""),
        "activity": UNKNOWN, "own_change": UNKNOWN, "p_value": np.nan, "direction": 0,
    }  # fmt: skip
    agree = []
    for name, seen, size in (("activity", act, "z"), ("own_change", own, "log2fc")):
        if seen is None:
            continue
        short = name.removesuffix("_change")
        out[f"{short}_{size}"], out[f"{short}_p_value"] = seen[size], seen["p_value"]
        out[f"{short}_q_value"] = seen["q_value"]
        agree.append(float(np.sign(seen[size])) == wanted)
        called = seen["q_value"] < alpha
        out[name] = NO if not called else YES if agree[-1] else AGAINST
    if len(agree) == 2:
        largest = max(gene["p_value"], out["activity_p_value"], out["own_p_value"])
        out["p_value"] = float(largest) if all(agree) else 1.0
    missing = [w for w, seen in (("activity", act), ("its own transcript", own)) if seen is None]
    out["status"] = "estimated" if not missing else "not_testable"
    out["reason"] = f"not measured: {', '.join(missing)}" if missing else ""
    if own is not None:
        out["direction"] = int(np.sign(own["log2fc"]))
    elif act is not None:
        out["direction"] = int(np.sign(act["z"]))
    return out


def _verdict(row: dict[str, Any], alpha: float) -> str:
    if row["status"] == "estimated" and row["q_value"] < alpha:
        return SUPPORTED
    seen = {row[c] for c in ("activity", "own_change", "chip", "reporter")}
    if YES in seen and AGAINST not in seen:
        return PART
    return OPEN if seen == {UNKNOWN} else UNSUPPORTED


@claims(title="Regulators of changed genes")
def regulator_claims(regulators: pd.DataFrame) -> pd.DataFrame:
    """One claim per candidate of a resistance contrast of which activity or own change was measured."""
    kept = regulators[(regulators["kind"] == "resistance") & (regulators["verdict"] != OPEN)]
    rows = []
    for row in kept.to_dict("records"):
        tested = row["status"] == "estimated"
        edge = "no edge known" if np.isnan(row["edge"]) else "activates it" if row["edge"] > 0 else "represses it"
        rests = f": {row['edge_basis']}" if row["edge_basis"] else ""
        source = f" ({row['edge_source']}{rests})" if row["edge_source"] else ""
        activity = row["activity"] + ("" if np.isnan(row["activity_z"]) else f" (z {number(row['activity_z'])})")
        own = row["own_change"] + ("" if np.isnan(row["own_log2fc"]) else f" (log2 {number(row['own_log2fc'])})")
        test = f"; {equals('p', row['p_value'])}, {equals('q', row['q_value'])}, n = {row['n']:g}" if tested else ""
        rows.append(
            {
                **{c: row[c] for c in ("model", "direction", "n", "status", "source_table", "source_rows")},
                "entity": row["tf"],
                "entity_type": "regulator",
                "stream": "tf_activity",
                "level": "association",
                "contrast": f"{row['contrast']} ({row['dataset']}), {row['gene']}",
                "effect": row["activity_z"] if tested else np.nan,
                "effect_unit": "SD of permuted regulons" if tested else "",
                "p_value": row["p_value"] if tested else np.nan,
                "q_value": row["q_value"] if tested else np.nan,
                "analysis": "regulators",
                "claim": f"{row['tf']} as a regulator of {row['gene']} (log2 {number(row['gene_log2fc'])}) in "
                f"{row['contrast']}: {row['verdict']}. Edge: {edge}{source}; motif: {row['motif']}; "
                f"activity: {activity}; own change: {own}{test}{_bench(row)}.",
            }
        )
    return claim_table(rows)


def _bench(row: Mapping[Any, Any]) -> str:
    """What the bench and the tables of knowledge add, each with what was measured or that nothing was."""
    parts = [f"; its protein: {row['protein']}"]
    if np.isfinite(row["protein_log2fc"]):
        parts[0] += f" (log2 {number(row['protein_log2fc'])}, {equals('q', row['protein_q_value'])})"
    for name, what in (("chip", "ChIP"), ("reporter", "reporter"), ("site", "needs the site")):
        parts.append(f"; {what}: {row[name]}" + (f" ({row[f'{name}_said']})" if row[f"{name}_said"] else ""))
    if row["ptm"] == KNOWN:
        level = ", so that its level need not change" if row["own_change"] == NO else ""
        parts.append(f"; modification (knowledge, not measured here): {row['ptm_said']}{level}")
    return "".join(parts)


def _cells(data: pd.DataFrame) -> Iterator[dict[str, str]]:
    for row in data.to_dict("records"):
        edge = UNKNOWN if np.isnan(row["edge"]) else YES
        motif = {"rarer than chance": YES, UNKNOWN: UNKNOWN}.get(row["motif"], NO)
        for what, value in (
            ("edge", edge), ("motif", motif), ("activity", row["activity"]), ("own change", row["own_change"]),
            ("protein", row["protein"]), ("ChIP", row["chip"]), ("reporter", row["reporter"]),
            ("needs site", row["site"]), ("modification", HINT if row["ptm"] == KNOWN else UNKNOWN),
        ):  # fmt: skip
            yield {"panel": row["panel"], "tf": row["tf"], "what": what, "value": value, "verdict": row["verdict"]}


@figure(
    title="Regulators of changed genes",
    caption="What speaks for each transcription factor as a regulator of a gene: a curated edge, a motif rarer than "
    "chance, activity, own change and protein in the direction that explains the gene, binding by ChIP, a reporter "
    "that follows it and needs its site, and, as knowledge alone, who modifies it. White: not known or not measured. "
    "At most six genes in one contrast, and ten factors each, the best supported.",
)
def regulator_table(regulators: pd.DataFrame) -> Any:
    """Evidence of every kind, by gene and factor."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    data = regulators[regulators["verdict"] != OPEN]
    if data.empty:
        return None
    data = data.assign(panel=data["gene"] + ", " + data["contrast"])
    panels = data.assign(_r=data["verdict"].ne(SUPPORTED)).sort_values("_r", kind="mergesort")
    data = data[data["panel"].isin(panels["panel"].unique()[:6])].groupby("panel", sort=False).head(10)
    cells = pd.DataFrame(_cells(data))
    values = [YES, NO, AGAINST, HINT, UNKNOWN]
    chart = (
        alt.Chart(cells)
        .mark_rect(stroke="#999999", strokeWidth=0.4)
        .encode(
            alt.X("what:N", title=None, sort=SHOWN,
                  axis=alt.Axis(labelAngle=-40)),
            alt.Y("tf:N", title=None, sort=None),
            alt.Color("value:N", title=None,
                      scale=alt.Scale(domain=values, range=["#009E73", "#DDDDDD", "#D55E00", "#56B4E9", "#FFFFFF"])),
            tooltip=["tf:N", "what:N", "value:N", "verdict:N"],
        )
        .properties(width=alt.Step(12), height=alt.Step(10))
    )  # fmt: skip
    return sized(facets(chart, cells, "panel", columns=3, independent_y=True), DOUBLE)
