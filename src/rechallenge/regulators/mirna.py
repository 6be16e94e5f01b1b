"""Seed sites of miRNA in untranslated regions, and always how many of them chance alone would give.

The seed is bases 2 to 7 of the miRNA. A place of the target that pairs with it is a 6mer; with base 8 too a 7mer-m8;
with an A opposite base 1 a 7mer-A1; with both an 8mer (Bartel 2009, doi:10.1016/j.cell.2009.01.002). Each place counts
once, as its longest type. Chance follows the composition of the region itself: regions rich in A and T hold some seeds
far more often than equal bases say. Where many miRNA are tried in one region, some have a site by chance; the verdict
takes that into account. A seed site is a possibility; a reporter with the mutated site is the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import knowledge
from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.report.words import counted, number
from rechallenge.tables.contract import Column, Contract

BARTEL = "doi:10.1016/j.cell.2009.01.002"
#: types of site, the longest first
TYPES = ("8mer", "7mer-m8", "7mer-A1", "6mer")
NO_SITE, RARE, PLAIN = "no site", "rarer than chance", "expected by chance"
COLUMNS = (
    "utr", "gene", "mirna", "site_type", "position", "sequence", "expected_by_chance", "p_any", "expected_all_mirnas",
    "p_any_all_mirnas", "n", "n_mirnas", "sites", "published_target", "verdict", "status", "reason", "source_table",
    "source_rows",
)  # fmt: skip

UTRS = Contract(
    name="utrs",
    about="Untranslated regions (3') as FASTA; the first word of the header is the gene.",
    columns=(
        Column("name", "gene of the region", required=True),
        Column("sequence", "DNA or RNA, 5' to 3' in the direction of the gene", required=True),
        Column("about", "the whole header"),
    ),
    key=("name",),
    reader="rechallenge.tables.fasta:read_fasta",
    example=">AKR1B1 3' UTR\nACGTTGTCTTCCAACGT\n",
)


def site_of(mature: str) -> str:
    """The 8mer site (DNA, 5' to 3') of a mature miRNA: the complement of bases 8 to 2, and A.

    ValueError where fewer than eight bases are given, or something that is none.

    >>> site_of("UGGAAGACUAGUGAUUUUGUUGUU")
    'GTCTTCCA'
    """
    bases = mature.strip().upper().replace("U", "T")
    if len(bases) < 8 or set(bases) - set("ACGT"):
        raise ValueError(f"{mature!r} is no mature miRNA: give its sequence of A, C, G and U, eight bases or more")
    return bases[1:8][::-1].translate(str.maketrans("ACGT", "TGCA")) + "A"


def expected(sequence: str, site: str) -> dict[str, float]:
    """Expected number of places of each type or a longer one, by the composition of the sequence, bases independent.

    `site` is the 8mer. Windows with an unknown base do not count.
    """
    bases = {b: sequence.count(b) for b in "ACGT"}
    total = sum(bases.values())
    if not total:
        return dict.fromkeys(TYPES, 0.0)

    def of(word: str) -> float:
        return windows(sequence, len(word)) * float(np.prod([bases[b] / total for b in word]))

    whole, m8, a1, core = of(site), of(site[:7]), of(site[1:]), of(site[1:7])
    return {"8mer": whole, "7mer-m8": m8, "7mer-A1": m8 + a1 - whole, "6mer": core}


def windows(sequence: str, width: int) -> int:
    """Places of that width without an unknown base."""
    return sum(max(0, len(part) - width + 1) for part in re.split("[^ACGT]+", sequence))


def sites(sequence: str, site: str) -> list[tuple[str, int, str]]:
    """Every place once, as its longest type: (type, first base from 1, what stands there)."""
    found = []
    for hit in re.finditer(f"(?={site[1:7]})", sequence):
        i = hit.start()
        m8, a1 = i > 0 and sequence[i - 1] == site[0], sequence[i + 6 : i + 7] == "A"
        kind = TYPES[0] if m8 and a1 else TYPES[1] if m8 else TYPES[2] if a1 else TYPES[3]
        start, end = i - int(m8), i + 6 + int(a1)
        found.append((kind, start + 1, sequence[start:end]))
    return found


def _seeds(mirnas: Sequence[str], mature: Sequence[str]) -> list[tuple[str, str, frozenset[str]]]:
    """Name, 8mer and published targets of every miRNA asked for; all known ones where none is named."""
    table = knowledge.table("mirna_seeds")
    known = {
        row.mirna: (row.site_8mer, frozenset(row.targets_of_interest if isinstance(row.targets_of_interest, list)
                                             else str(row.targets_of_interest or "").split("|")))
        for row in table.itertuples()
    }  # fmt: skip
    own = {}
    for one in mature:
        name, _, bases = one.partition("=")
        own[name.strip()] = (site_of(bases), frozenset[str]())
    names = {_plain(str(m)): str(m) for m in known}
    unknown = [m for m in mirnas if _plain(m) not in names]
    if unknown:
        raise ValueError(f'no seed is known of {", ".join(unknown)}: give it as mature = ["NAME=SEQUENCE"]')
    chosen = {names[_plain(m)] for m in mirnas} if mirnas or own else set(known)
    both: dict[str, tuple[str, frozenset[str]]] = {**{str(m): (str(known[m][0]), known[m][1]) for m in chosen}, **own}
    return [(m, *both[m]) for m in sorted(both)]


def _plain(name: str) -> str:
    return name.strip().casefold().removeprefix("hsa-")


def _methods(mirna_sites: pd.DataFrame, alpha: float, **_: Any) -> str:
    n = int(mirna_sites["n_mirnas"].max()) if len(mirna_sites) else 0
    return (
        f"Seed sites of {counted(n, 'miRNA', 'miRNA')} were sought in untranslated regions ({BARTEL}), each place "
        "counted once under its longest type; the number expected by chance follows the base composition of the "
        f"region, and a site is called rarer than chance where P < {alpha:g} that any of the miRNA has one as good."
    )


@analysis(
    title="miRNA seed sites",
    reference=BARTEL,
    methods=_methods,
    formula=("sites 8mer, 7mer-m8, 7mer-A1, 6mer; expected from the region's composition; P(any) = 1 - exp(-expected)"),
    oracle=("No outside reference: sites in random sequences are as many as expected (tests/regulators/test_mirna.py)"),
    limits=(
        "Seed pairing alone: no conservation, accessibility or level of the miRNA. Where many miRNAs are sought"
        " some site turns up by chance, which the verdict counts."
    ),
)
def mirna_sites(
    utrs: pd.DataFrame, *, mirnas: Sequence[str] = (), mature: Sequence[str] = (), alpha: float = 0.1
) -> pd.DataFrame:
    """Seed sites of every miRNA in every region: `COLUMNS`, one row per site, or one that says there is none.

    `mirnas` names those to be sought (default: all of the knowledge table `mirna_seeds`), `mature` adds others as
    `NAME=SEQUENCE`. `position` is the first base of the site in the region, from 1. `expected_by_chance` counts sites
    of that type or a longer one in the region, `p_any` is the probability of one or more; `expected_all_mirnas` and
    `p_any_all_mirnas` are the same over all miRNA that were sought, and the verdict is "rarer than chance" where that
    is below `alpha`. `n` are the places of the 6mer. Raises ValueError for an unknown miRNA.
    """
    if utrs.empty:
        raise NotApplicable("no untranslated region is given")
    seeds = _seeds(mirnas, mature)
    table = utrs.rename(columns={"_file": "file", "_row": "line"}).sort_values("name", kind="mergesort")
    rows: list[dict[str, Any]] = []
    for u in table.to_dict("records"):
        sequence, gene = str(u["sequence"]).upper().replace("U", "T"), str(u["name"])
        chance = {m: expected(sequence, site) for m, site, _ in seeds}
        distinct = {site: chance[m] for m, site, _ in seeds}  # a family of one seed counts once
        whole = {kind: sum(c[kind] for c in distinct.values()) for kind in TYPES}
        base = {
            "utr": u.get("about") or gene, "gene": gene, "n": windows(sequence, 6), "n_mirnas": len(seeds),
            "source_rows": f"{u['file']}:{int(u['line'])}" if u.get("file") else "",
        }  # fmt: skip
        for name, site, targets in seeds:
            found = sites(sequence, site)
            nothing: list[tuple[str, Any, str]] = [("", np.nan, "")]
            for kind, position, piece in found or nothing:
                of = kind or TYPES[-1]
                rows.append(
                    {
                        **base,
                        "mirna": name,
                        "site_type": kind,
                        "position": position,
                        "sequence": piece,
                        "expected_by_chance": chance[name][of],
                        "p_any": float(-np.expm1(-chance[name][of])),
                        "expected_all_mirnas": whole[of],
                        "p_any_all_mirnas": float(-np.expm1(-whole[of])),
                        "sites": len(found),
                        "published_target": gene in targets,
                    }
                )
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    seen = out["site_type"] != ""
    out["verdict"] = np.where(~seen, NO_SITE, np.where(out["p_any_all_mirnas"] < alpha, RARE, PLAIN))
    out["status"] = np.where(out["n"] > 0, "estimated", "not_estimable")
    out["reason"] = np.where(out["n"] > 0, "", "the region is shorter than a site")
    out["source_table"] = "utrs"
    rank = out["site_type"].map({kind: i for i, kind in enumerate(TYPES)}).fillna(len(TYPES))
    return (
        out.assign(rank=rank)
        .sort_values(["gene", "rank", "mirna", "position"], kind="mergesort", ignore_index=True)
        .drop(columns="rank")
    )


@claims(title="miRNA with a seed site")
def mirna_claims(mirna_sites: pd.DataFrame) -> pd.DataFrame:
    """One claim per region and miRNA with a site (its longest): knowledge without direction or p-value, and the
    sentence says what chance gives."""
    best = mirna_sites[mirna_sites["site_type"] != ""].drop_duplicates(["gene", "mirna"])
    rows = []
    for row in best.to_dict("records"):
        many = "" if row["sites"] == 1 else f", {int(row['sites'])} sites in all"
        family = (
            f", and {number(row['expected_all_mirnas'])} over the {int(row['n_mirnas'])} miRNA that were sought"
            if row["n_mirnas"] > 1
            else ""
        )
        about = (
            "rarer than chance, which allows it and proves nothing; a reporter with the mutated site would"
            if row["verdict"] == RARE
            else "as chance alone gives it: it says nothing by itself; a reporter with the mutated site would"
        )
        known = f" {row['gene']} is a published target of it." if row["published_target"] else ""
        rows.append(
            {
                "entity": row["mirna"],
                "entity_type": "regulator",
                "stream": "mirna",
                "level": "knowledge",
                "contrast": f"UTR of {row['gene']}",
                "status": "not_testable",
                "analysis": "mirna_sites",
                "source_table": "utrs",
                "source_rows": row["source_rows"],
                "claim": f"{row['mirna']} has a seed site ({row['site_type']}, {row['sequence']}) at base "
                f"{int(row['position'])} of the UTR of {row['gene']}{many}; {number(row['expected_by_chance'])} sites "
                f"as good are expected by chance (P of at least one {number(row['p_any'])}){family}: {about}.{known}",
            }
        )
    return claim_table(rows)


@figure(
    title="miRNA seed sites along untranslated regions",
    caption="Sites along each untranslated region; full: rarer than chance over all miRNA sought, faint: as chance "
    "gives them. At most four regions, and twelve miRNA in each, those with the longest sites.",
)
def utr_map(mirna_sites: pd.DataFrame) -> Any:
    """Where the seed sites lie."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    data = mirna_sites[mirna_sites["site_type"] != ""]
    if data.empty:
        return None
    genes = list(dict.fromkeys(data.sort_values(["p_any_all_mirnas", "gene"])["gene"]))[:4]
    order = data[data["gene"].isin(genes)].drop_duplicates(["gene", "mirna"]).groupby("gene").head(12)
    data = data.merge(order[["gene", "mirna"]], on=["gene", "mirna"])
    data = data[["gene", "mirna", "position", "site_type", "sequence", "p_any", "p_any_all_mirnas", "verdict"]]
    chart = (
        alt.Chart(data)
        .mark_point(size=40, filled=True)
        .encode(
            alt.X("position:Q", title="Position in the UTR (nt)"),
            alt.Y("mirna:N", title=None, sort=None),
            alt.Color(
                "site_type:N",
                title="Site",
                scale=alt.Scale(domain=list(TYPES), range=["#D55E00", "#0072B2", "#009E73", "#666666"]),
            ),
            alt.Opacity("verdict:N", title=None, scale=alt.Scale(domain=[RARE, PLAIN], range=[1, 0.4])),
            tooltip=["mirna:N", "site_type:N", "sequence:N", "position:Q", "p_any:Q", "p_any_all_mirnas:Q"],
        )
        .properties(width=300, height=alt.Step(10))
    )
    return sized(facets(chart, data, "gene", columns=1), DOUBLE)
