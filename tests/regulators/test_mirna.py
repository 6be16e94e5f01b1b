"""miRNA seed sites: types, the longest once, and what chance gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence, knowledge
from rechallenge.regulators import mirna as m
from rechallenge.report.theme import specification
from rechallenge.study import Study, TableSource
from rechallenge.tables.reading import read_study

SITE = "GTCTTCCA"  # miR-7-5p


def utr(sequence: str, name: str = "AKR1B1") -> pd.DataFrame:
    return pd.DataFrame({"name": [name], "sequence": [sequence], "about": [name], "_file": "u.fa", "_row": 1})


def test_the_seed_table_agrees_with_its_mature_sequences():
    table = knowledge.table("mirna_seeds").set_index("mirna")
    assert table.loc["hsa-miR-7-5p", "site_8mer"] == SITE
    assert table.loc["hsa-miR-7-5p", "site_7mer_m8"] == "GTCTTCC"
    for row in table.itertuples():
        assert m.site_of(row.mature) == row.site_8mer
        assert (row.site_8mer[:7], row.site_8mer[1:], row.site_8mer[1:7]) == (
            row.site_7mer_m8, row.site_7mer_a1, row.site_6mer,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("piece", "kind", "start"),
    [("GTCTTCCA", "8mer", 4), ("GTCTTCCG", "7mer-m8", 4), ("CTCTTCCA", "7mer-A1", 5), ("CTCTTCCG", "6mer", 5)],
)
def test_a_site_counts_once_under_its_longest_type(piece, kind, start):
    out = m.mirna_sites(utr("CCC" + piece + "CCC"), mirnas=("miR-7-5p",))
    assert len(out) == 1
    assert out.loc[0, "site_type"] == kind and out.loc[0, "position"] == start
    assert kind.startswith(str(len(out.loc[0, "sequence"])))


def test_ends_of_the_region_and_unknown_bases():
    assert [s[0] for s in m.sites("TCTTCC", SITE)] == ["6mer"]
    assert [s[0] for s in m.sites("TCTTCCA" + "NTCTTCC", SITE)] == ["7mer-A1", "6mer"]
    assert m.windows("ACGTACNACGTAC", 6) == 2
    none = m.mirna_sites(utr("ACG"), mirnas=("miR-7-5p",))
    assert none.loc[0, "status"] == "not_estimable" and none.loc[0, "verdict"] == m.NO_SITE


@pytest.mark.parametrize("composition", [(0.25, 0.25, 0.25, 0.25), (0.15, 0.2, 0.15, 0.5)])
def test_sites_in_random_sequences_are_as_many_as_expected(composition):
    """Sites of each type or a longer one in 1.5 million random bases, equal and rich in T."""
    sequence = "".join(np.random.default_rng(7).choice(list("ACGT"), 1_500_000, p=composition))
    chance = m.expected(sequence, SITE)
    seen = pd.Series([s[0] for s in m.sites(sequence, SITE)]).value_counts().reindex(list(m.TYPES), fill_value=0)
    for kind, total in seen.cumsum().items():
        assert abs(total - chance[kind]) < 4.5 * np.sqrt(chance[kind]) + 1, kind


def test_verdicts_in_random_regions_keep_their_rate():
    """With all miRNA sought, under a tenth of random regions have a site called rarer than chance at 8mer level."""
    rng, called = np.random.default_rng(3), 0
    for _ in range(150):
        out = m.mirna_sites(utr("".join(rng.choice(list("ACGT"), 120))), alpha=0.1)
        called += (out["verdict"] == m.RARE).any()
    assert called / 150 < 0.2


def test_many_mirnas_in_one_region_are_counted():
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 600)) + "GTCTTCCG"
    one = m.mirna_sites(utr(sequence), mirnas=("hsa-miR-7-5p",))
    every = m.mirna_sites(utr(sequence))
    site = every[(every["mirna"] == "hsa-miR-7-5p") & (every["site_type"] == "7mer-m8")].iloc[0]
    assert one.loc[0, "verdict"] == m.RARE and one.loc[0, "p_any"] == one.loc[0, "p_any_all_mirnas"]
    assert site["p_any_all_mirnas"] > 0.5 and site["verdict"] == m.PLAIN
    assert set(every["mirna"]) == set(knowledge.table("mirna_seeds")["mirna"])  # those without a site too


def test_claims_are_knowledge_and_say_what_chance_gives():
    table = m.mirna_sites(utr("C" * 50 + SITE + "C" * 50), mirnas=("miR-7-5p",))
    claims = evidence.check(m.mirna_claims(table))
    assert set(claims["level"]) == {"knowledge"} and claims["p_value"].isna().all()
    assert set(claims["direction"]) == {0} and "expected by chance" in claims["claim"].iloc[0]
    assert claims["source_rows"].iloc[0] == "u.fa:1"
    assert m.mirna_claims(m.mirna_sites(utr("C" * 50))).empty


def test_own_mirna_and_what_is_unknown():
    out = m.mirna_sites(utr("CCGTCTTCCACC"), mature=("mine=UGGAAGACUAGUG",))
    assert out.loc[0, "mirna"] == "mine" and out.loc[0, "site_type"] == "8mer" and len(out) == 1
    with pytest.raises(ValueError, match="no seed is known of miR-99999"):
        m.mirna_sites(utr("ACGTACGT"), mirnas=("miR-99999",))
    with pytest.raises(ValueError, match="no mature miRNA"):
        m.mirna_sites(utr("ACGTACGT"), mature=("x=ACG",))


def test_order_of_rows_does_not_matter_and_figure_draws():
    both = pd.concat([utr("CCGTCTTCCACC", "B"), utr("AATCTTCCAA", "A")], ignore_index=True)
    out = m.mirna_sites(both)
    pd.testing.assert_frame_equal(out, m.mirna_sites(both.iloc[::-1].reset_index(drop=True)))
    assert specification(m.utr_map(out))
    assert m.utr_map(out[out["site_type"] == ""]) is None


def test_rna_is_read(tmp_path):
    (tmp_path / "u.fa").write_text(">AKR1B1 3' UTR\nccgucuuccacc\n")
    study = Study(folder=tmp_path, title="t", tables={"utrs": (TableSource(values=["u.fa"]),)})
    read = read_study(study, {"utrs": m.UTRS})
    assert not [f for f in read.faults if f.severity == "error"], read.faults
    assert m.mirna_sites(read.tables["utrs"], mirnas=("miR-7-5p",)).loc[0, "site_type"] == "8mer"
