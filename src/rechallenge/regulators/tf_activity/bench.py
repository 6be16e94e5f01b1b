"""What the bench says of a factor and a gene: the factor's protein, ChIP, the promoter's reporter; and what is known of
its modification.

ChIP comes as read-outs (`measurements`) whose name says so and names factor and gene; what counts is the factor's
antibody against IgG. The reporter of the gene's promoter answers two questions: whether it follows the factor, and
whether that needs the site (an interaction). A table of knowledge says by whom the factor is modified: a hint, since a
factor may be switched without any change of its level; where nothing is known it stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import knowledge
from rechallenge.report.words import equals, number

YES, AGAINST, NO, UNKNOWN = "yes", "opposite", "no change shown", "not measured"
KNOWN, NOT_KNOWN = "known", "unknown"
#: what a modification is called in the table of regulators
MODIFICATIONS = re.compile(r"(?:ylation|ination|oylation)$")
_CHIP = re.compile(r"\bchip\b|chromatin|cut\s?&?\s?(?:run|tag)|\bemsa\b", re.I)
_IGG = re.compile(r"\bigg\b|isotype", re.I)
#: verdicts of the reporter's contrasts
RESPONSE, THROUGH_SITE = "response", "response through a site"
NEEDS_SITE = ("response abolished", "response reduced")
COLUMNS = ("protein", "protein_log2fc", "protein_q_value", "chip", "chip_said", "reporter", "reporter_said", "site",
           "site_said", "ptm", "ptm_said")  # fmt: skip


def _words(*texts: object) -> set[str]:
    return {w.upper() for t in texts for w in re.split(r"[^A-Za-z0-9]+", str(t)) if w}


class Bench:
    """The tables of a study that speak of factors, asked for one factor and gene at a time; any may be missing."""

    def __init__(
        self,
        proteins: pd.DataFrame | None,
        comparisons: pd.DataFrame | None,
        reporter: pd.DataFrame | None,
        alpha: float,
    ) -> None:
        self.alpha = alpha
        self.proteins = proteins if proteins is not None else pd.DataFrame()
        self.chip = list(_chip(comparisons))
        self.reporter = pd.DataFrame() if reporter is None or reporter.empty else reporter[reporter["entity"] != ""]
        self.ptm = modifications()

    def pairs(self, factors: set[str]) -> Iterator[tuple[str, str]]:
        """(Gene, factor) of every ChIP of one of `factors` and of every reporter: candidates, whatever they show."""
        for row in self.chip:
            yield from ((g, t) for g in sorted(row["_genes"]) for t in sorted(row["_factors"] & factors))
        if len(self.reporter):
            known = self.reporter[(self.reporter["gene"] != "") & (self.reporter["entity_type"] == "regulator")]
            yield from zip(known["gene"].astype(str), known["entity"].astype(str), strict=True)

    def of(self, gene: str, tf: str, key: dict[str, Any], wanted: float, edge: float) -> dict[str, Any]:
        """`COLUMNS` for a factor of a gene in one contrast; `wanted` is the sign of a change that explains the gene."""
        out = {**self._protein(tf, key, wanted), **self._chip(gene, tf), **self._reporter(gene, tf, edge)}
        facts = self.ptm.get(tf, [])
        out["ptm"] = KNOWN if facts else NOT_KNOWN
        out["ptm_said"] = "; ".join(facts)
        return out

    def _protein(self, tf: str, key: dict[str, Any], wanted: float) -> dict[str, Any]:
        """The factor's own protein in the same contrast, of the same model, whatever its data set."""
        out: dict[str, Any] = {"protein": UNKNOWN, "protein_log2fc": np.nan, "protein_q_value": np.nan}
        if self.proteins.empty:
            return out
        p = self.proteins
        mine = p[(p["gene"] == tf) & (p["contrast"] == key["contrast"])].sort_values(
            ["p_value", "dataset", "feature"], kind="mergesort"
        )
        if mine.empty:
            return out
        row = mine.iloc[0]
        called = row["q_value"] < self.alpha
        seen = NO if not called else YES if np.sign(row["log2fc"]) == wanted else AGAINST
        return {"protein": seen, "protein_log2fc": row["log2fc"], "protein_q_value": row["q_value"]}

    def _chip(self, gene: str, tf: str) -> dict[str, Any]:
        mine = [r for r in self.chip if gene in r["_genes"] and tf in r["_factors"]]
        if not mine:
            return {"chip": UNKNOWN, "chip_said": ""}
        row = min(mine, key=lambda r: (np.isnan(r["p_adjusted"]), r["p_adjusted"], r["assay"], r["contrast"]))
        sure = row["status"] == "estimated" and row["p_adjusted"] < self.alpha
        seen = NO if not sure else YES if row["effect"] > 0 else AGAINST
        if row["status"] != "estimated":
            seen = UNKNOWN
        fold = f"{number(row['fold'])}-fold" if np.isfinite(row["fold"]) else f"difference {number(row['effect'])}"
        test = f", {equals('p', row['p_adjusted'])}" if np.isfinite(row["p_adjusted"]) else ""
        said = f"{row['assay']}, {row['group']} against {row['control']}: {fold}{test}, n = {row['n']:g}"
        return {"chip": seen, "chip_said": said}

    def _reporter(self, gene: str, tf: str, edge: float) -> dict[str, Any]:
        out: dict[str, Any] = {"reporter": UNKNOWN, "reporter_said": "", "site": UNKNOWN, "site_said": ""}
        if self.reporter.empty:
            return out
        mine = self.reporter[(self.reporter["gene"] == gene) & (self.reporter["entity"] == tf)]
        mine = mine[mine["status"] == "estimated"].sort_values(["p_holm", "contrast"], kind="mergesort")
        whole = mine[(mine["kind"] == RESPONSE) & (mine["site"] == "")]
        if len(whole):
            row = whole.iloc[0]
            called = row["verdict"] in ("higher", "lower")
            # more of the factor, more activity: as an edge that activates says, or one of which nothing is known
            follows = np.sign(row["effect"]) * row["action"] == (-1.0 if edge < 0 else 1.0)
            out["reporter"] = NO if not called else YES if follows else AGAINST
            out["reporter_said"] = (
                f"{row['perturbation']} against {row['control']}: {number(row['fold'])}-fold, "
                f"{equals('Holm p', row['p_holm'])}, n = {row['n']:g}"
            )
        needs = mine[mine["kind"] == THROUGH_SITE]
        if len(needs):
            row = needs.iloc[0]
            out["site"] = YES if row["verdict"] in NEEDS_SITE else NO
            out["site_said"] = f"{row['site']} mutated: {row['verdict']}, {equals('Holm p', row['p_holm'])}"
        return out


def _chip(comparisons: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """Comparisons of a factor's antibody with IgG, with the genes and factors that their names hold."""
    if comparisons is None or comparisons.empty:
        return
    for row in comparisons.to_dict("records"):
        if not _CHIP.search(str(row["assay"])) or not _IGG.search(str(row["control"])):
            continue
        named = _words(row["assay"], row["group"], row.get("entity", ""))
        # what the group is called names the antibody; the rest of the names are the place that was amplified
        factors = _words(row["group"]) & named
        yield {**{str(k): v for k, v in row.items()}, "_genes": named, "_factors": factors | _words(row["assay"])}


def edge_bases() -> dict[tuple[str, str], str]:
    """(Factor, gene) -> what the edge of the built-in table rests on: edges are not of one strength."""
    table = knowledge.starter("regulators")
    return {(r["regulator"], r["target"]): str(r["evidence_kind"]) for r in table.to_dict("records")}


def modifications() -> dict[str, list[str]]:
    """Factor -> sentences on its modification, from the table of regulators: "acetylation of K100 by CREBBP (...)"."""
    out: dict[str, list[str]] = {}
    for row in facts().to_dict("records"):
        out.setdefault(str(row["tf"]), []).append(f"{row['modification']} by {row['writer']} ({row['source']})")
    return out


def facts() -> pd.DataFrame:
    """What is known of modifications: tf, writer, kind, modification (with its site where known), effect (+1 the writer
    raises it), note, source."""
    table = knowledge.starter("regulators")
    table = table[table["acts_on"].str.contains(MODIFICATIONS)]
    what = table["evidence_kind"].str.removeprefix("PTM: ").str.split("; ", n=1)
    site = what.str[0].where(table["evidence_kind"].str.startswith("PTM: "), table["acts_on"])
    note = what.str[1].fillna("").where(table["evidence_kind"].str.startswith("PTM: "), table["evidence_kind"])
    out = pd.DataFrame(
        {
            "tf": table["target"], "writer": table["regulator"], "kind": table["acts_on"], "modification": site,
            "effect": pd.to_numeric(table["effect"]).astype(int), "note": note, "source": table["source"],
        }
    )  # fmt: skip
    return out.sort_values(["tf", "writer"], kind="mergesort", ignore_index=True)
