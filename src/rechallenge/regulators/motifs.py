"""Motifs in promoters: exact p-values, and always how many hits chance alone would give.

A position is scored by a position-weight matrix in bits against equal bases; the p-value of a score is exact, by the
distribution of scores over all sequences (dynamic programming on a fine grid). A short word turns up by chance
wherever one looks: the expected number of hits in the scanned length on both strands stands beside every hit, with the
probability of at least one. A hit that chance explains says nothing by itself; a mutated site in a reporter and ChIP
are the evidence then.

Source of the exact p-value: Staden 1989 (doi:10.1093/bioinformatics/5.2.89); matrices: JASPAR
(doi:10.1093/nar/gkad1059).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.report.words import number
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import Column, Contract

Floats = NDArray[np.float64]
STADEN = "doi:10.1093/bioinformatics/5.2.89"
JASPAR = "doi:10.1093/nar/gkad1059"
COLUMNS = (
    "promoter", "gene", "motif", "tf", "strand", "position", "sequence", "score", "p_value", "q_value",
    "expected_by_chance", "p_any", "n", "hits", "verdict", "status", "source_table", "source_rows",
)  # fmt: skip
#: pseudocount per matrix column, spread over the four bases; width of a bin of scores in bits
PSEUDO, BIN = 1.0, 1e-3
BASES = "ACGT"
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
RARE, PLAIN = "rarer than chance", "expected by chance"

PROMOTERS = Contract(
    name="promoters",
    about="Promoters as FASTA; the header carries the gene and where +1 is: `>AKR1B1 -2000..+200` or `tss=2001`.",
    columns=(
        Column("name", "gene of the promoter", required=True),
        Column("sequence", "DNA, 5' to 3' in the direction of the gene", required=True),
        Column("tss", "position of +1 in the sequence, from 1", "number", required=True),
        Column("about", "the whole header"),
    ),
    key=("name",),
    reader="rechallenge.tables.fasta:read_fasta",
    example=">AKR1B1 -10..+5\nACGTACGTACGTACG\n",
)


@lru_cache(maxsize=1)
def matrices() -> dict[str, tuple[str, Floats]]:
    """JASPAR's vertebrate matrices: identifier -> (factor, counts [4, w], rows A C G T); the installed table where
    there is one, else those of the package pyjaspar, else none."""
    from rechallenge import knowledge
    from rechallenge.knowledge.errors import KnowledgeError

    try:
        table = knowledge.table("jaspar")
        return {
            str(m): (str(part["name"].iloc[0]), part.sort_values("position")[["a", "c", "g", "t"]].to_numpy(float).T)
            for m, part in table.groupby("matrix", sort=True)
        }
    except KnowledgeError:
        pass
    try:
        from pyjaspar import jaspardb
    except ImportError:
        return {}
    found = jaspardb(release="JASPAR2024").fetch_motifs(collection="CORE", tax_group=["vertebrates"])
    return {
        m.matrix_id: (m.name, np.array([[float(c) for c in m.counts[b]] for b in BASES]))
        for m in sorted(found, key=lambda m: m.matrix_id)
    }


def weights(counts: Floats) -> Floats:
    """Bits against equal bases [4, w] from counts [4, w], a pseudocount of 1 spread over the bases of each position."""
    c = counts + PSEUDO / 4
    return np.asarray(np.log2(c / c.sum(axis=0) / 0.25))


def tail(bits: Floats) -> tuple[Floats, Floats]:
    """P(score >= s) over all sequences of equal bases: scores s (ascending, bits) and exact p, on bins of .001."""
    steps = np.round(bits / BIN).astype(np.int64)
    low = steps.min(axis=0)
    shifted = steps - low
    mass = np.ones(1)
    for j in range(bits.shape[1]):
        longer = np.zeros(mass.size + int(shifted[:, j].max()))
        for b in range(4):
            longer[shifted[b, j] : shifted[b, j] + mass.size] += 0.25 * mass
        mass = longer
    return (np.arange(mass.size) + low.sum()) * BIN, np.minimum(1.0, np.cumsum(mass[::-1])[::-1])


def encode(sequence: str) -> NDArray[np.int64]:
    """Bases as 0 to 3, everything that is not one base as -1."""
    return np.array([BASES.find(b) for b in sequence.upper()], dtype=np.int64)


def scan(sequence: str, bits: Floats) -> Floats:
    """Score at every start [2, n - w + 1], forward and reverse strand; nan where a base is not known."""
    x, w = encode(sequence), bits.shape[1]
    n = x.size - w + 1
    if n < 1:
        return np.full((2, 0), np.nan)
    known = np.where(x < 0, 0, x)
    bad = np.convolve((x < 0).astype(int), np.ones(w, int), "valid") > 0
    out = np.zeros((2, n))
    reverse = bits[::-1, ::-1]
    for j in range(w):
        out[0] += bits[known[j : j + n], j]
        out[1] += reverse[known[j : j + n], j]
    out[:, bad] = np.nan
    return out


def word_bits(word: str) -> Floats:
    """A word in IUPAC letters as a matrix: 0 bits where the base fits, minus infinity (-1000) where it does not.

    ValueError for a letter that is none.
    """
    odd = sorted(set(word.upper()) - set(IUPAC))
    if odd or not word:
        raise ValueError(f"{word!r} is no word of nucleotides ({', '.join(odd) or 'empty'})")
    return np.array([[0.0 if b in IUPAC[letter] else -1000.0 for letter in word.upper()] for b in BASES])


def word_p(word: str) -> float:
    """Probability that a random position on one strand matches a word in IUPAC letters.

    >>> word_p("CTGTT") == 4.0**-5
    True
    """
    return float(np.prod([len(IUPAC[letter]) / 4 for letter in word.upper()]))


def _relative(start: int, tss: float) -> int:
    """Position relative to +1, from 0-based start; there is no 0."""
    at = start + 1 - int(tss)
    return at if at < 0 else at + 1


def _methods(motifs: pd.DataFrame, threshold: float, **_: Any) -> str:
    exact = f"with JASPAR matrices ({JASPAR}), p-values being exact ({STADEN}), hits kept at p < {threshold:g}"
    how = exact if motifs["motif"].str.startswith("MA").any() else "for given words"
    return (
        f"Promoters were scanned on both strands {how}; beside every hit stands the number of hits expected by chance "
        "in the scanned length."
    )


@analysis(
    title="Motifs in promoters",
    reference=(STADEN, JASPAR),
    methods=_methods,
    formula=(
        "S = sum log2(p_b,i / .25); P(S >= s) by dynamic programming; expected = hits at least as good on both "
        "strands, P(any) = 1 - exp(-expected)"
    ),
    oracle=(
        "All 4^10 sequences counted one by one for FOSL2: 14.765 bits, p 1.05e-5 (tests/regulators/test_motifs.py)"
    ),
    limits=(
        "A motif is a possibility: p is against equal bases, and promoters are not random. Binding and function"
        " need ChIP and a mutated site."
    ),
)
def motifs(
    promoters: pd.DataFrame,
    *,
    factors: Sequence[str] = (),
    words: Sequence[str] = (),
    threshold: float = 1e-4,
    alpha: float = 0.1,
) -> pd.DataFrame:
    """Hits of matrices and words in every promoter: `COLUMNS`, one row per hit.

    `factors` are JASPAR identifiers or names of factors (all vertebrate matrices by default); `words` are given in
    IUPAC letters. `position` is the first base of the hit relative to +1 (no 0). `expected_by_chance` is the number of
    hits at least as good in the scanned length, both strands, `p_any` the probability of one or more; the verdict is
    "rarer than chance" where `p_any` < `alpha`. `q_value` is over all positions and matrices scanned. Raises
    NotApplicable where there is neither a matrix nor a word.
    """
    chosen = _chosen(factors)
    if not chosen and not words:
        raise NotApplicable("no matrix is here (rechallenge knowledge fetch jaspar) and no word was given")
    curves = {m: (tf, weights(counts), tail(weights(counts))[1]) for m, (tf, counts) in chosen.items()}
    rows: list[dict[str, Any]] = []
    for p in _each(promoters):
        where = {"promoter": p.about or p.name, "gene": p.name, "source_rows": f"{p.file}:{p.row}" if p.file else ""}
        for motif, (tf, bits, tails) in curves.items():
            found = scan(p.sequence, bits)
            # the same rounding as in the distribution, or a tie would fall beside its own score
            index = scan(p.sequence, np.round(bits / BIN)) - np.round(bits / BIN).min(axis=0).sum()
            prob = np.where(np.isfinite(found), tails[np.nan_to_num(index).astype(int)], 1.0)
            rows += _hits(prob, found, bits.shape[1], p, threshold, {**where, "motif": motif, "tf": tf})
        for word in words:
            bits = word_bits(word)
            found = scan(p.sequence, bits)
            prob = np.where(found > -1, word_p(word), 1.0)
            rows += _hits(prob, found, len(word), p, 1.1 * word_p(word), {**where, "motif": word.upper(), "tf": ""})
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    if out.empty:
        return out
    tests = sum(2 * max(0, len(s) - b.shape[1] + 1) for s in promoters["sequence"] for _, b, _ in curves.values())
    matrix = out["tf"] != ""
    out["q_value"] = np.nan
    if matrix.any() and tests:
        found, rest = out.loc[matrix, "p_value"].to_numpy(float), np.ones(max(0, tests - int(matrix.sum())))
        out.loc[matrix, "q_value"] = bh(np.concatenate([found, rest]))[: len(found)]
    out["verdict"] = np.where(out["p_any"] < alpha, RARE, PLAIN)
    out["status"], out["source_table"] = "estimated", "promoters"
    return out.sort_values(["gene", "p_value", "motif", "position", "strand"], kind="mergesort", ignore_index=True)


def _chosen(factors: Sequence[str]) -> dict[str, tuple[str, Floats]]:
    known = matrices()
    if not factors:
        return known
    names = {f.casefold() for f in factors}
    return {
        m: (tf, counts)
        for m, (tf, counts) in known.items()
        if m.casefold() in names or names & {part.casefold() for part in (tf, *tf.split("::"))}
    }


def _each(promoters: pd.DataFrame) -> Iterator[Any]:
    table = promoters.rename(columns={"_file": "file", "_row": "row"})
    for column, empty in (("file", ""), ("row", 0), ("about", "")):
        if column not in table.columns:
            table[column] = empty
    yield from table.sort_values("name", kind="mergesort").itertuples(index=False)


def _hits(
    prob: Floats, found: Floats, width: int, p: Any, threshold: float, base: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Rows for the hits of one matrix in one promoter."""
    scanned = int(np.isfinite(found).sum())
    strands, starts = np.nonzero(prob < threshold)
    for s, i in zip(strands.tolist(), starts.tolist(), strict=True):
        value = float(prob[s, i])
        expected = value * scanned
        piece = p.sequence[i : i + width]
        yield {
            **base,
            "strand": "+-"[s],
            "position": _relative(i, p.tss),
            "sequence": piece if s == 0 else reverse_complement(piece),
            "score": float(found[s, i]),
            "p_value": value,
            "expected_by_chance": expected,
            "p_any": float(-np.expm1(-expected)),
            "n": scanned,
            "hits": len(starts),
        }


def reverse_complement(sequence: str) -> str:
    """The other strand, 5' to 3'.

    >>> reverse_complement("CTGTT")
    'AACAG'
    """
    return sequence[::-1].translate(str.maketrans("ACGTRYKMBVDHN", "TGCAYRMKVBHDN"))


@claims(title="Factors with a motif in the promoter")
def motif_claims(motifs: pd.DataFrame) -> pd.DataFrame:
    """One claim per promoter and factor (its best hit): a motif is a possibility, so its level is knowledge and it has
    no direction and no p-value; the sentence says what chance gives."""
    best = motifs.sort_values(["gene", "motif", "p_value", "position"]).drop_duplicates(["gene", "motif"])
    rows = []
    for row in best.to_dict("records"):
        many = "" if row["hits"] == 1 else f", {int(row['hits'])} in all"
        about = (
            "rarer than chance, which allows it and proves no binding"
            if row["verdict"] == RARE
            else "as chance alone gives it: it says nothing by itself; a mutated site in a reporter and ChIP would"
        )
        rows.append(
            {
                "entity": row["tf"] or row["motif"],
                "entity_type": "regulator",
                "stream": "motifs",
                "level": "knowledge",
                "contrast": f"promoter of {row['gene']}",
                "effect": row["score"] if row["tf"] else np.nan,
                "effect_unit": "bits" if row["tf"] else "",
                "status": "not_testable",
                "analysis": "motifs",
                "source_table": "promoters",
                "source_rows": row["source_rows"],
                "claim": f"{row['tf'] or row['motif']} ({row['motif']}) matches {row['sequence']} at "
                f"{row['position']:+d} of {row['gene']}{many}; {number(row['expected_by_chance'])} such hits are "
                f"expected by chance in {int(row['n'])} positions (P of at least one {number(row['p_any'])}): {about}.",
            }
        )
    return claim_table(rows)


@figure(
    title="Motifs along promoters",
    caption="Hits along each promoter, relative to +1; orange: rarer than chance. At most twelve motifs a "
    "promoter: those of known regulators of the gene first, then the rarest.",
)
def promoter_map(motifs: pd.DataFrame) -> Any:
    """Where the motifs lie."""
    import altair as alt

    from rechallenge import knowledge
    from rechallenge.report.theme import DOUBLE, facets, sized

    if motifs.empty:
        return None
    edges = knowledge.table("regulators")
    known = set(zip(edges["regulator"], edges["target"], strict=True))
    asked = [(tf, gene) in known for tf, gene in zip(motifs["tf"], motifs["gene"], strict=True)]
    best = motifs.assign(asked=asked).sort_values(
        ["gene", "asked", "p_any", "position"], ascending=[True, False, True, True]
    )
    order = best.drop_duplicates(["gene", "motif"]).groupby("gene").head(12)[["gene", "motif"]]
    data = best.merge(order, on=["gene", "motif"])
    data["label"] = np.where(data["tf"] != "", data["tf"] + " " + data["motif"], data["motif"])
    data = data[["gene", "label", "position", "strand", "score", "p_any", "verdict", "sequence"]]
    chart = (
        alt.Chart(data)
        .mark_point(filled=True)
        .encode(
            alt.X("position:Q", title="Position relative to +1 (bp)"),
            alt.Y("label:N", title=None, sort=None),
            alt.Shape("strand:N", title="Strand"),
            alt.Color("verdict:N", title=None, scale=alt.Scale(domain=[RARE, PLAIN], range=["#D55E00", "#999999"])),
            tooltip=["label:N", "sequence:N", "position:Q", "p_any:Q"],
        )
        .properties(width=300, height=alt.Step(10))
    )
    return sized(facets(chart, data, "gene", columns=1), DOUBLE)
