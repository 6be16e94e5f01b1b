"""Every parser, with tiny files in the published format and, where the reference folder is there, with real ones."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import knowledge_samples as samples
import pytest

from rechallenge.knowledge import catalogue
from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.installing import parse


def parsed(tmp_path: Path, name: str) -> tuple[Any, str]:
    return parse(catalogue.get(name), samples.write(tmp_path, name))


def test_every_fetchable_table_has_a_sample() -> None:
    assert set(samples.SAMPLES) == set(catalogue.names(starter=False))


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_the_result_has_the_documented_columns_and_types(tmp_path: Path, name: str) -> None:
    frame, _ = parsed(tmp_path, name)
    one = catalogue.get(name)
    assert tuple(frame.columns) == one.column_names
    assert len(frame) > 0
    expected = {"number": "float64", "integer": "Int64", "text": "object", "list": "object"}
    assert {c.name: str(frame[c.name].dtype) for c in one.columns} == {c.name: expected[c.kind] for c in one.columns}


def test_drugcentral_keeps_human_rows_and_computes_the_concentration(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "drugcentral")
    assert list(frame["drug"]) == ["epalrestat", "somedrug"]
    row = frame.iloc[0]
    assert row["gene"] == "AKR1B1"
    assert row["action"] == "inhibitor"
    assert row["mechanism"] == "yes"
    assert row["potency_nm"] == pytest.approx(20.893, rel=1e-4)
    assert frame.iloc[1]["gene"] == "GENEA|GENEB"
    assert frame["potency_nm"].isna().tolist() == [False, True]


def test_drugcentral_structures_survive_quotes(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "drugcentral_structures")
    assert list(frame["drug"]) == ["alcohol", 'quoted"name']
    assert frame.loc[0, "cas"] == "64-17-5"


def test_drugcentral_approvals_name_the_agency(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "drugcentral_approvals")
    assert list(zip(frame["drug"], frame["agency"], strict=True)) == [
        ("perflutren", "FDA"), ("drug, with comma", "FDA"), ("monobenzone", "EMA"), ("capmatinib", "PMDA"),
    ]  # fmt: skip


def test_open_targets_drugs_of_two_layouts(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "open_targets_drugs")
    salt = frame.set_index("drug").loc["LENVATINIB MESYLATE"]
    assert salt["parent"] == "CHEMBL1289601"
    assert salt["approved"] == "yes"
    path = tmp_path / "newer.json"
    path.write_bytes(samples.OT_DRUGS_NEWER)
    newer, _ = parse(catalogue.get("open_targets_drugs"), [path])
    assert newer.loc[0, "synonyms"] == "S-1"
    assert newer.loc[0, "stage"] == "PHASE_2"
    assert newer.loc[0, "approved"] == "", "what the release does not say is unknown, not no"


def test_open_targets_mechanisms_one_row_per_target(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "open_targets_mechanisms")
    assert len(frame) == 5
    assert (frame["chembl_id"] == "CHEMBL2").sum() == 1
    assert frame.set_index("chembl_id").loc["CHEMBL2", "ensembl"] == ""


def test_dilirank_classes(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "dilirank")
    found = frame.set_index("drug")[["dili_class", "severity"]]
    assert found.loc["sorafenib"].tolist() == ["most", 8]
    assert found.loc["metformin"].tolist() == ["no", 0]
    assert found.loc["atovaquone"].tolist() == ["ambiguous", 8]


def test_civic_lists_and_direction(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "civic")
    row = frame.iloc[0]
    assert (row["therapies"], row["direction"], row["rating"], row["evidence_id"], row["doid"]) == (
        "Sorafenib|Doxorubicin", "Does Not Support", 3.0, 42, "684",
    )  # fmt: skip


def test_gene_sets_of_four_publishers(tmp_path: Path) -> None:
    hallmark, version = parsed(tmp_path, "hallmark")
    assert version == "2025.1.Hs"
    assert hallmark["set"].unique().tolist() == ["HYPOXIA", "EMPTY_TAIL"]
    assert hallmark["gene"].tolist() == ["PGK1", "PDK1", "VIM"]
    reactome, _ = parsed(tmp_path, "reactome")
    assert set(reactome["identifier"]) == {"R-HSA-164843"}
    wiki, version = parsed(tmp_path, "wikipathways")
    assert version == "20260710"
    assert wiki.iloc[0].tolist() == ["GDNF signaling", "WP5143", "6482", "entrez"]
    go, _ = parsed(tmp_path, "go_bp")
    assert set(go["set"]) == {"GLYCOLYTIC_PROCESS"}


def test_collectri_signs(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "collectri")
    assert frame["weight"].tolist() == [1.0, -1.0]
    assert frame.loc[0, "pmids"] == "10022128|10491298"


def test_progeny_from_long_form(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "progeny")
    assert frame.to_dict("records") == [
        {"pathway": "Hypoxia", "gene": "VEGFA", "weight": 3.5, "p_value": 1e-9},
        {"pathway": "MAPK", "gene": "VEGFA", "weight": -0.2, "p_value": 0.4},
    ]


def test_targetscan_keeps_human_sites(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "targetscan")
    assert frame["gene"].tolist() == ["SLC7A11", "ETS1"]
    assert frame["ensembl"].tolist() == ["ENSG00000151012", "ENSG00000134954"]
    assert frame["pct"].isna().tolist() == [False, True]


def test_jaspar_matrices(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "jaspar")
    first = frame[frame["matrix"] == "MA0099.3"]
    assert first["genes"].unique().tolist() == ["FOS|JUN"]
    assert first[["a", "c", "g", "t"]].to_numpy().tolist() == [[0, 1, 0, 99], [0, 0, 99, 1], [98, 1, 0, 1]]
    assert frame[frame["matrix"] == "MA0477.2"]["genes"].unique().tolist() == ["FOSL1"]


def test_humangem_metabolites_merge_compartments(tmp_path: Path) -> None:
    frame, version = parsed(tmp_path, "humangem_metabolites")
    assert version == "1.19.0"
    row = frame.set_index("name").loc["D-glucitol"]
    assert (row["compartments"], row["hmdb"], row["chebi"]) == ("c|e", "HMDB0000247", "CHEBI:17924")
    assert frame.set_index("name").loc["glucose", "kegg"] == "C00031|C00221"


def test_humangem_reactions_direction_and_genes(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "humangem_reactions")
    both = frame.set_index("reaction")
    assert both.loc["MAR04316", "equation"] == "D-glucitol [c] <=> glucose [c]"
    assert both.loc["MAR04316", "genes"] == "ENSG00000085662|ENSG00000198074"
    assert both.loc["MAR04316", "ec"] == "1.1.1.21|1.1.1.2"
    assert both.loc["MAR00001", "equation"] == "2 glucose [c] => D-glucitol [c]"
    assert both.loc["MAR00001", "subsystem"] == "Transport: reactions"


def test_string_links_once_and_above_the_threshold(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "string_links")
    assert sorted(zip(frame["gene_a"], frame["gene_b"], frame["score"], strict=True)) == [
        ("AXL", "GAS6", 910), ("GAS6", "IL6", 400),
    ]  # fmt: skip


def test_secretome_keeps_genes_with_a_location(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "hpa_secretome")
    assert frame[["gene", "location", "protein_class"]].to_numpy().tolist() == [
        ["IL6", "Secreted to blood", "Cancer-related genes|Plasma proteins"]
    ]


def test_cellosaurus_problem_and_parent(tmp_path: Path) -> None:
    frame, version = parsed(tmp_path, "cellosaurus")
    assert version == "52.0"
    assert frame["cell_line"].tolist() == ["L-02", "Huh-7"], "mouse lines without a problem are left out"
    row = frame.iloc[0]
    assert (row["problem"], row["parent"], row["iclac"]) == ("contaminated", "HeLa", "ICLAC-00514")
    assert row["synonyms"].split("|")[2] == "HL-7702"
    assert frame.iloc[1]["problem"] == ""


def test_iclac_finds_the_heading_below_the_title(tmp_path: Path) -> None:
    frame, version = parsed(tmp_path, "iclac")
    assert version == "14"
    assert frame["cell_line"].tolist() == ["L-02", "SOME-1"]
    assert frame["stock"].tolist() == ["none known", "authentic stock exists"]
    assert frame.loc[0, "pmids"] == "26116706|12345678"


def test_hgnc_keeps_approved_genes(tmp_path: Path) -> None:
    frame, _ = parsed(tmp_path, "hgnc")
    assert frame["symbol"].tolist() == ["AKR1B1", "AR"]
    assert frame.loc[0, "alias_symbols"] == "AR|ALR2"


COLUMN_LOST = {
    "drugcentral": (b'"ACT_VALUE"', b'"POTENCY"', "ACT_VALUE"),
    "civic": (b"evidence_direction", b"direction_of_evidence", "evidence_direction"),
    "collectri": (b'"weight"', b'"mor"', "weight"),
    "hgnc": (b"ensembl_gene_id", b"ensembl", "ensembl_gene_id"),
    "progeny": (b"record_id", b"record", "record_id"),
    "drugcentral_structures": (b"InChIKey", b"Key", "InChIKey"),
}


@pytest.mark.parametrize("name", COLUMN_LOST)
def test_a_changed_format_names_the_missing_column(tmp_path: Path, name: str) -> None:
    paths = samples.write(tmp_path, name)
    data = paths[0].read_bytes()
    packed = data.startswith(b"\x1f\x8b")
    old, new, missing = COLUMN_LOST[name]
    plain = gzip.decompress(data) if packed else data
    assert old in plain
    plain = plain.replace(old, new, 1)
    paths[0].write_bytes(gzip.compress(plain) if packed else plain)
    with pytest.raises(FormatError, match="the format has changed") as caught:
        parse(catalogue.get(name), paths)
    assert caught.value.missing == (missing,)
    assert "rechallenge knowledge add" in str(caught.value)


@pytest.mark.parametrize("name", ["dilirank", "iclac"])
def test_a_workbook_without_the_table_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "other.xlsx"
    path.write_bytes(samples.workbook([["something"], ["else"]]))
    with pytest.raises(FormatError, match="format has changed"):
        parse(catalogue.get(name), [path])


@pytest.mark.parametrize("name", ["drugcentral", "reactome", "string_links", "hpa_secretome", "open_targets_drugs"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_file_is_damaged_not_half_read(tmp_path: Path, name: str, kept: float) -> None:
    paths = samples.write(tmp_path, name)
    data = paths[0].read_bytes()
    paths[0].write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(FormatError, match="too early or is damaged"):
        parse(catalogue.get(name), paths)


@pytest.mark.parametrize("name", ["hgnc", "hallmark", "dilirank", "cellosaurus", "jaspar", "civic"])
def test_a_web_page_is_not_data(tmp_path: Path, name: str) -> None:
    path = tmp_path / catalogue.get(name).sources[0].file
    path.write_bytes(b"\n<!DOCTYPE html>\n<html><body>Please log in</body></html>")
    with pytest.raises(FormatError, match="web page"):
        parse(catalogue.get(name), [path])


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    paths = samples.write(tmp_path, name)
    paths[0].write_bytes(b"")
    with pytest.raises(FormatError):
        parse(catalogue.get(name), paths)


def test_numbers_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    paths = samples.write(tmp_path, "civic")
    paths[0].write_bytes(paths[0].read_bytes().replace(b"\t3.0\taccepted", b"\tthree\taccepted"))
    with pytest.raises(FormatError, match="'rating' should be numbers but holds 'three'"):
        parse(catalogue.get("civic"), paths)


def test_cut_text_entries_are_noticed(tmp_path: Path) -> None:
    paths = samples.write(tmp_path, "cellosaurus")
    paths[0].write_bytes(paths[0].read_bytes()[:-30])
    with pytest.raises(FormatError, match="not whole"):
        parse(catalogue.get("cellosaurus"), paths)
    paths = samples.write(tmp_path, "jaspar")
    paths[0].write_bytes(paths[0].read_bytes().replace(b"T  [ 7 8 ]\n", b""))
    with pytest.raises(FormatError, match="four rows"):
        parse(catalogue.get("jaspar"), paths)


REAL = {
    "drugcentral": ("knowledge/drugcentral_2018_human_drug_target.tsv.gz", 12217),
    "drugcentral_structures": ("knowledge/drugcentral_2023_structures_approval.tsv.gz", 3949),
    "dilirank": ("knowledge/fda_dilirank.csv", 1036),
    "civic": ("knowledge/civic_tki_hcc_and_negative_evidence.tsv", 584),
    "collectri": ("omics/networks/collectri.csv.gz", 43178),
    "hallmark": ("omics/genesets/h.all.v7.0.symbols.gmt", 7322),
    "go_bp": ("omics/genesets/GO_Biological_Process_2021.gmt", 197596),
    "wikipathways": ("omics/genesets/wikipathways-20220610-Homo_sapiens.gmt", 30871),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared: Path, name: str) -> None:
    file, rows = REAL[name]
    frame, _ = parse(catalogue.get(name), [shared / "data" / file])
    assert len(frame) == rows


def test_real_drugcentral_knows_the_inhibitors_of_aldose_reductase(shared: Path) -> None:
    path = shared / "data" / REAL["drugcentral"][0]
    frame, _ = parse(catalogue.get("drugcentral"), [path])
    found = frame[(frame["gene"] == "AKR1B1") & (frame["mechanism"] == "yes")].set_index("drug")
    assert {"epalrestat", "tolrestat"} <= set(found.index)
    assert found.loc["epalrestat", "action"] == "inhibitor"
    assert found.loc["epalrestat", "potency_p"] == pytest.approx(7.68, abs=0.005)


def test_real_dilirank_classes(shared: Path) -> None:
    frame: Any = parse(catalogue.get("dilirank"), [shared / "data" / REAL["dilirank"][0]])[0]
    assert frame["dili_class"].value_counts().to_dict() == {"no": 312, "less": 278, "ambiguous": 254, "most": 192}
    assert frame.set_index("drug").loc["tolrestat", ["label_section", "severity"]].tolist() == ["withdrawn", 8]
