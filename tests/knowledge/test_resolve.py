"""Names of drugs, genes, metabolites and cell lines: found by any of their names, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import knowledge_samples as samples
import pytest

from rechallenge import knowledge
from rechallenge.knowledge import resolve


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path / "data"))
    return tmp_path


def install(place: Path, *names: str) -> None:
    for name in names:
        knowledge.add(name, *samples.write(place / "files" / name, name))


def drug(name: object) -> tuple[str, str]:
    row = resolve.drugs([name]).iloc[0]
    return row["status"], row["drug"]


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("lenvatinib", "exact", "lenvatinib"),
        (" Lenvatinib ", "exact", "lenvatinib"),
        ("LENVIMA®", "synonym", "lenvatinib"),
        ("BGB-324", "synonym", "bemcentinib"),
        ("BGB324", "synonym", "bemcentinib"),
        ("bgb 324", "synonym", "bemcentinib"),
        ("R428", "synonym", "bemcentinib"),
        ("BAY 43-9006", "synonym", "sorafenib"),
        ("Lenvatinib mesylate", "salt", "lenvatinib"),
        ("regorafenib HCl", "salt", "regorafenib"),
        ("Erlotinib (hydrochloride)", "salt", "erlotinib"),
        ("82159-09-9", "synonym", "epalrestat"),
        ("WOSKHXYHFSIKNG-UHFFFAOYSA-N", "inchikey", "lenvatinib"),
        ("WOSKHXYHFSIKNG", "inchikey", "lenvatinib"),
        ("AOJJSUZBOXZQNB-VTZDEGQISA-N", "inchikey", "epirubicin"),
        ("5-FU", "synonym", "fluorouracil"),
        ("XAV939", "exact", "xav-939"),
        ("sorafinib", "unknown", ""),
        ("sodium", "unknown", ""),
        ("mesylate", "unknown", ""),
        ("", "unknown", ""),
        (None, "unknown", ""),
        (float("nan"), "unknown", ""),
    ],
)
def test_drug_names(name: object, status: str, expected: str) -> None:
    assert drug(name) == (status, expected)


def test_a_first_inchikey_block_carries_a_caution_and_may_be_ambiguous() -> None:
    row = resolve.drugs(["KTUFNOKKBVMGRW-UHFFFAOYSA-O"]).iloc[0]
    assert row["drug"] == "imatinib"
    assert "stereoisomer" in row["note"]
    row = resolve.drugs(["AOJJSUZBOXZQNB-AAAAAAAAAA-N"]).iloc[0]
    assert (row["status"], row["drug"]) == ("ambiguous", "")
    assert row["candidates"] == ["doxorubicin", "epirubicin"]


def test_every_name_of_the_starter_set_finds_its_drug() -> None:
    frame = knowledge.table("drugs")
    for drug_, synonyms, salts, key in zip(
        frame["drug"], frame["synonyms"], frame["salts"], frame["inchikey"], strict=True
    ):
        names = [drug_, *synonyms, *salts, *([key] if key else [])]
        found = resolve.drugs(names)
        assert set(found["drug"]) == {drug_}, names


def test_answers_keep_order_and_repeats() -> None:
    names = ["sorafenib", "nothing", "Nexavar", "sorafenib"]
    found = resolve.drugs(names)
    assert found["name"].tolist() == names
    assert found["drug"].tolist() == ["sorafenib", "", "sorafenib", "sorafenib"]
    assert resolve.unresolved(found)["name"].tolist() == ["nothing"]
    assert len(resolve.drugs([])) == 0


def test_installed_tables_add_names_under_the_starter_name(place: Path) -> None:
    assert drug("Kispleks") == ("unknown", "")
    install(place, "open_targets_drugs", "drugcentral_structures")
    assert drug("Kispleks") == ("synonym", "lenvatinib")
    assert drug("E-7080 mesylate") == ("salt", "lenvatinib"), "a salt hangs on its parent"
    assert drug("Lenvixar") == ("salt", "lenvatinib")
    assert drug("CHEMBL2105756") == ("salt", "lenvatinib")
    assert drug("alcohol") == ("exact", "alcohol")
    assert resolve.drugs(["64-17-5"]).iloc[0]["source"] == "drugcentral_structures"
    knowledge.remove("open_targets_drugs")
    assert drug("Kispleks") == ("unknown", "")


def gene(name: object) -> tuple[str, str]:
    row = resolve.genes([name]).iloc[0]
    return row["status"], row["gene"]


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("AKR1B1", "exact", "AKR1B1"),
        ("Akr1b1", "case", "AKR1B1"),
        ("ALDR1", "previous", "AKR1B1"),
        ("HER2", "alias", "ERBB2"),
        ("VEGFR2", "alias", "KDR"),
        ("ENSG00000085662", "ensembl", "AKR1B1"),
        ("ENSG00000085662.14", "ensembl", "AKR1B1"),
        ("231", "entrez", "AKR1B1"),
        (231, "entrez", "AKR1B1"),
        (231.0, "entrez", "AKR1B1"),
        ("P15121", "uniprot", "AKR1B1"),
        ("MARCH1", "previous", "MARCHF1"),
        # the symbol of one gene and an alias of another: the symbol wins, even where that gene is not in the set
        ("AR", "exact", "AR"),
        ("EZH1", "exact", "EZH1"),
        ("TCF4", "exact", "TCF4"),
        ("MDR1", "ambiguous", ""),
        ("DEC1", "ambiguous", ""),
        ("SEPT2", "ambiguous", ""),
        ("1-Mar", "date", ""),
        ("2-Sep", "date", ""),
        ("2001-03-01", "date", ""),
        ("44621", "date", ""),
        ("ENST00000285930", "unknown", ""),
        ("ENSMUSG00000001642", "unknown", ""),
        ("NOTAGENE", "unknown", ""),
        ("", "unknown", ""),
    ],
)
def test_gene_names(name: object, status: str, expected: str) -> None:
    assert gene(name) == (status, expected)


def test_what_a_gene_name_could_be_is_listed() -> None:
    found: Any = resolve.genes(["1-Mar", "DEC1", "MDR1", "AR", "ENSMUSG00000001642", "NOTAGENE"]).set_index("name")
    assert set(found.loc["1-Mar", "candidates"]) == {"MARCHF1", "MTARC1"}
    assert found.loc["DEC1", "candidates"] == ["BHLHE40", "DELEC1"]
    assert "ABCB1" in found.loc["MDR1", "candidates"]
    assert "AKR1B1" in found.loc["AR", "note"] or "not a gene of the starter set" in found.loc["AR", "note"]
    assert "another species" in found.loc["ENSMUSG00000001642", "note"]
    assert "fetch hgnc" in found.loc["NOTAGENE", "note"]


def test_every_gene_that_the_starter_set_names_is_known() -> None:
    names: set[str] = set()
    for table, column in (("drug_targets", "target"), ("gene_sets", "gene"), ("enzymes", "gene"), ("secreted", "gene")):
        names |= set(knowledge.starter(table)[column])
    found = resolve.genes(sorted(names))
    assert set(found["status"]) == {"exact"}
    assert (found["ensembl"] != "").mean() > 0.99


def test_no_alias_of_the_starter_set_hides_a_conflict() -> None:
    conflicts = knowledge.starter("gene_name_conflicts")
    symbols = conflicts[conflicts["relation"] == "symbol"]
    found = resolve.genes(symbols["name"])
    assert found["gene"].tolist() == symbols["symbol"].tolist()
    rest = conflicts[(conflicts["relation"] != "symbol") & ~conflicts["name"].str.lower().isin(
        [s.lower() for s in symbols["name"]])]  # fmt: skip
    answers = resolve.genes(rest["name"])
    assert set(answers["status"]) <= {"ambiguous", "case", "exact"}


def test_hgnc_covers_the_genome_when_installed(place: Path) -> None:
    assert gene("NR3C4")[0] == "unknown"
    install(place, "hgnc")
    assert gene("NR3C4") == ("alias", "AR")
    assert gene("HGNC:381") == ("hgnc", "AKR1B1")
    assert gene("KDR") == ("exact", "KDR"), "genes of the starter set stay known"
    row = resolve.genes(["AR"]).iloc[0]
    assert "AKR1B1" in row["note"]
    assert resolve.genes(["NOTAGENE"]).iloc[0]["note"] == ""


def metabolite(name: object) -> tuple[str, str]:
    row = resolve.metabolites([name]).iloc[0]
    return row["status"], row["metabolite"]


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        ("glucose", "exact", "glucose"),
        ("Fructose 6-phosphate", "exact", "fructose-6-phosphate"),
        ("HMDB0000122", "hmdb", "glucose"),
        ("HMDB00122", "hmdb", "glucose"),
        ("hmdb00122", "hmdb", "glucose"),
        ("C00031", "kegg", "glucose"),
        ("cpd:C00031", "kegg", "glucose"),
        ("Lactic acid", "conjugate", "lactate"),
        ("HMDB9999999", "unknown", ""),
        ("CHEBI:17924", "chebi", "sorbitol"),
        ("CHEBI:99999999", "unknown", ""),
        ("D-Glucitol", "synonym", "sorbitol"),
        ("G6P", "synonym", "glucose-6-phosphate"),
        ("gamma-Aminobutyric acid", "synonym", "4-aminobutyrate"),
        ("oleic acid", "conjugate", "oleate"),
        ("L-threonine", "natural", "threonine"),
        ("D-mannose", "natural", "mannose"),
        ("L-lactic acid", "conjugate", "lactate"),
        ("D-lactate", "exact", "D-lactate"),
        ("D-threonine", "unknown", ""),
        ("L-mannose", "unknown", ""),
        ("G3P", "ambiguous", ""),
        ("FAD", "exact", "FAD"),
        ("C00016", "kegg", "FAD"),
        ("chebi:16238", "chebi", "FAD"),
        ("nonsense", "unknown", ""),
    ],
)
def test_metabolite_names(name: str, status: str, expected: str) -> None:
    assert metabolite(name) == (status, expected)


def test_humangem_adds_names_and_chebi(place: Path) -> None:
    install(place, "humangem_metabolites")
    assert metabolite("CHEBI:17924") == ("chebi", "sorbitol"), "one compound keeps the starter's name"
    assert metabolite("chebi 4167") == ("chebi", "glucose")
    row = resolve.metabolites(["D-glucitol"]).iloc[0]
    assert (row["metabolite"], row["source"], row["hmdb"]) == ("sorbitol", "starter", ["HMDB0000247"])


def test_cell_lines(place: Path) -> None:
    found: Any = resolve.cell_lines(["L02", "LO2", "CVCL_6926", "hep g2", "SK-HEP-1", "Huh-7"]).set_index("name")
    assert found.loc["L02", ["cell_line", "problem", "actual"]].tolist() == ["L-02", "contaminated", "HeLa"]
    assert found.loc["LO2", "status"] == "synonym"
    assert found.loc["CVCL_6926", "status"] == "accession"
    assert found.loc["hep g2", "cell_line"] == "Hep-G2"
    assert found.loc["SK-HEP-1", "problem"] == "wrong_tissue"
    assert found.loc["Huh-7", "status"] == "unknown"
    assert "not thereby authentic" in found.loc["Huh-7", "note"]
    install(place, "cellosaurus", "iclac")
    found = resolve.cell_lines(["Huh7", "SOME-1", "L02"]).set_index("name")
    assert found.loc["Huh7", ["status", "cell_line", "problem"]].tolist() == ["exact", "Huh-7", ""]
    assert found.loc["SOME-1", "actual"] == "OTHER, Mouse, Fibroblast"
    assert found.loc["L02", "source"] == "starter"


@pytest.mark.parametrize("find", [resolve.drugs, resolve.genes, resolve.metabolites, resolve.cell_lines])
def test_twenty_thousand_names(find: Callable[[list[str]], Any]) -> None:
    names = ["sorafenib", "AKR1B1", "L02", "glucose", "x"] * 4000
    found = find(names)
    assert len(found) == 20_000
    assert found["name"].tolist() == names
