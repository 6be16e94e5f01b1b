"""Motifs: exact p-values, chance hits, positions relative to +1, and two published claims of different weight."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence
from rechallenge.regulators import motifs as m
from rechallenge.study import Study, TableSource
from rechallenge.tables.reading import read_study


def promoter(sequence: str, tss: int, name: str = "AKR1B1") -> pd.DataFrame:
    return pd.DataFrame({"name": [name], "sequence": [sequence], "tss": [float(tss)], "about": [f"{name} promoter"]})


def random_dna(n: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n))


def test_p_values_are_those_of_all_sequences():
    bits = m.weights(np.array([[8, 1, 3, 0], [1, 7, 3, 0], [0, 1, 2, 9], [1, 1, 2, 1]], float))
    every = np.array([sum(bits[b, j] for j, b in enumerate(s)) for s in itertools.product(range(4), repeat=4)])
    scores, tails = m.tail(bits)
    for s in np.unique(every):
        exact = (every >= s - 1e-9).mean()
        at = int(np.searchsorted(scores, s - 0.003))
        assert tails[at] == pytest.approx(exact, abs=1e-9)


def test_fosl2_at_the_published_site_is_rarer_than_chance():
    """CAGTGACTCAT in the promoter of AKR1B1: 14.765 bits, about .05 hits expected in 2.2 kb (MA0478.2)."""
    if "MA0478.2" not in m.matrices():
        pytest.skip("needs JASPAR matrices")
    tf, counts = m.matrices()["MA0478.2"]
    assert tf == "FOSL2"
    bits = m.weights(counts)
    found = m.scan("CAGTGACTCAT", bits)
    assert np.nanmax(found) == pytest.approx(14.765, abs=1e-3)
    sequence = "A" * 1000 + "CAGTGACTCAT" + "A" * 1189
    out = m.motifs(promoter(sequence, 2001), factors=("MA0478.2",))
    hit = out[out["strand"] == "+"].iloc[0]  # the site is nearly its own reverse complement
    # 11 of all 4^10 sequences score as high (counted one by one); 1.14e-5 is 12 of them, one bin of scores lower
    assert hit["p_value"] == pytest.approx(11 / 4**10, rel=1e-9)
    assert hit["expected_by_chance"] == pytest.approx(0.05, abs=0.005)
    assert hit["verdict"] == m.RARE and hit["position"] == -999
    claim = m.motif_claims(out)["claim"].iloc[0]
    assert "proves no binding" in claim


def test_ctgtt_says_nothing_by_itself():
    """ILF3's CTGTT in the promoter of MRPL12 (-500 to +200): 4.3 expected in 2.2 kb, P of one or more .74 in 700 bp."""
    long = m.motifs(promoter(random_dna(2200), 2001), factors=("none",), words=("CTGTT",))
    assert long["expected_by_chance"].iloc[0] == pytest.approx(4.3, abs=0.02)
    short = m.motifs(promoter(random_dna(700, 1) + "CTGTT", 501, "MRPL12"), factors=("none",), words=("CTGTT",))
    assert short["p_any"].iloc[0] == pytest.approx(0.74, abs=0.01)
    assert set(short["verdict"]) == {m.PLAIN}
    assert "says nothing by itself" in m.motif_claims(short)["claim"].iloc[0]
    evidence.check(m.motif_claims(short))


def test_positions_and_strands():
    out = m.motifs(promoter("TTTTCTGTTCCCAACAGTTT", 8), factors=("none",), words=("CTGTT",)).sort_values("position")
    assert out["strand"].tolist() == ["+", "-"] and out["position"].tolist() == [-3, 6]
    assert set(out["sequence"]) == {"CTGTT"}  # written 5' to 3' on its own strand
    at_one = m.motifs(promoter("AAACTGTTAAA", 4), factors=("none",), words=("CTGTT",))
    assert at_one["position"].tolist() == [1]  # there is no 0


def test_hits_by_chance_are_as_many_as_expected():
    """Hits at p < 1e-3 in random DNA, over the matrices of one family."""
    counts = {
        "X": (
            "X",
            np.array([[8, 1, 3, 0, 5, 1, 1], [1, 7, 3, 0, 1, 5, 1], [0, 1, 2, 9, 1, 1, 8], [1, 1, 2, 1, 3, 3, 0.0]]),
        )
    }
    bits = m.weights(counts["X"][1])
    scores, tails = m.tail(bits)
    seen = expected = 0.0
    for seed in range(40):
        found = m.scan(random_dna(1000, seed), bits)
        limit = scores[np.argmax(tails < 1e-2)]
        seen += (found >= limit - 1e-9).sum()
        expected += found.size * tails[np.argmax(tails < 1e-2)]
    assert seen == pytest.approx(expected, rel=0.15)


def test_unknown_bases_are_not_scored():
    assert np.isnan(m.scan("ACNGT", np.zeros((4, 2)))[:, 1:3]).all()
    with pytest.raises(ValueError, match="no word"):
        m.word_bits("CTX")


def test_fasta_headers(tmp_path):
    (tmp_path / "p.fa").write_text(">AKR1B1 -4..+3\nACGTACG\n>MRPL12 tss=2\nacgu\n")
    (tmp_path / "bad.fa").write_text(">A -4..+4\nACG\n>B\nACGT\n>C tss=1\nACX1\n")
    study = Study(folder=tmp_path, title="t", tables={"promoters": (TableSource(values=["p.fa"]),)})
    read = read_study(study, {"promoters": m.PROMOTERS})
    assert not [f for f in read.faults if f.severity == "error"], read.faults
    table = read.tables["promoters"].set_index("name")
    assert table.loc["AKR1B1", "tss"] == 5 and table.loc["MRPL12", "sequence"] == "ACGT"
    assert table.loc["AKR1B1", "_row"] == 1
    study = Study(folder=tmp_path, title="t", tables={"promoters": (TableSource(values=["bad.fa"]),)})
    codes = [f.code for f in read_study(study, {"promoters": m.PROMOTERS}).faults if f.severity == "error"]
    assert {"range", "no-tss", "fasta"} <= set(codes)


def test_figure_draws():
    out = m.motifs(promoter(random_dna(2200), 2001), factors=("none",), words=("CTGTT", "TGASTCA"))
    assert m.promoter_map(out) is not None
    assert m.promoter_map(out.iloc[:0]) is None
