"""The starter tables on metabolism, programmes, regulators, miRNA seeds and gene names."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

import rechallenge

DATA = Path(rechallenge.__file__).parent / "knowledge" / "data"

SCHEMAS = {
    name: (columns.split(), key.split())
    for name, columns, key in (
        (
            "enzymes",
            "gene ensembl enzyme ec pathway substrates products substrate_hmdb product_hmdb substrate_kegg "
            "product_kegg substrate_proxy product_proxy cofactors reversible rate_limiting isozyme_group "
            "humangem_reaction humangem_check note source",
            "gene",
        ),
        ("enzyme_inhibitors", "gene drug source", "gene drug"),
        ("metabolites", "metabolite hmdb kegg chebi source", "metabolite"),
        ("metabolite_synonyms", "name metabolite source", "name metabolite"),
        ("gene_sets", "set gene source", "set gene"),
        ("gene_set_info", "set title description direction_in_resistance source", "set"),
        ("secreted", "gene class note source", "gene"),
        (
            "mirna_seeds",
            "mirna accession mature seed_2_8 site_8mer site_7mer_m8 site_7mer_a1 site_6mer targets_of_interest source",
            "mirna",
        ),
        ("regulators", "regulator target effect evidence_kind acts_on source", "regulator target"),
        ("genes", "symbol name ensembl entrez uniprot previous_symbols alias_symbols source", "symbol"),
        ("date_genes", "old_symbol hgnc_symbol spreadsheet_forms source", "old_symbol hgnc_symbol"),
    )
}

Row = dict[str, str]


def read(name: str) -> list[Row]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def items(cell: str) -> list[str]:
    return cell.split("|") if cell else []


def enzyme(gene: str) -> Row:
    return next(row for row in read("enzymes") if row["gene"] == gene)


@pytest.mark.parametrize("name", SCHEMAS)
def test_file_form(name: str) -> None:
    raw = (DATA / f"{name}.csv").read_bytes()
    text = raw.decode("utf-8")
    assert "\r" not in text
    assert not text.startswith("\ufeff")
    assert text.endswith("\n")
    columns, key = SCHEMAS[name]
    rows = read(name)
    assert text.splitlines()[0].split(",") == columns
    keys = [tuple(row[column] for column in key) for row in rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert None not in row.values(), row
        assert all(value == value.strip() for value in row.values()), row


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_row_has_a_source_that_is_not_a_path(name: str) -> None:
    for row in read(name):
        assert len(row["source"]) > 7, row
        assert not re.search(r"(^|\s)(/|\./|\.\./|[A-Z]:\\)", row["source"]), row
        assert "unknown" not in row["source"].lower()


def test_counts() -> None:
    counts = {name: len(read(name)) for name in SCHEMAS}
    assert 150 <= counts["enzymes"] <= 200
    assert counts["enzyme_inhibitors"] >= 35
    assert 30 <= counts["gene_set_info"] <= 45
    assert counts["gene_sets"] >= 1000
    assert counts["secreted"] >= 40
    assert 20 <= counts["mirna_seeds"] <= 40
    assert counts["regulators"] >= 15
    assert counts["genes"] >= 1000
    assert counts["date_genes"] >= 30


# ------------------------------------------------------------------------------------------------ enzymes
def test_aldose_reductase_runs_from_glucose_to_sorbitol() -> None:
    row = enzyme("AKR1B1")
    assert (row["substrates"], row["products"]) == ("glucose", "sorbitol")
    assert (row["substrate_kegg"], row["product_kegg"]) == ("C00031", "C00794")
    assert row["humangem_reaction"] == "MAR04316"
    assert row["humangem_check"] == "reversed"
    assert "opposite" in row["note"]
    assert row["rate_limiting"] == "yes"
    assert "NADPH" in items(row["cofactors"])


def test_polyol_route_is_connected_to_lipid_synthesis() -> None:
    chain = ["AKR1B1", "SORD", "KHK", "ALDOB", "GPD1"]
    for first, second in pairwise(chain):
        assert set(items(enzyme(first)["products"])) & set(items(enzyme(second)["substrates"])), (
            first,
            second,
        )
    tail = ["GPD1", "GPAM", "AGPAT4", "LPIN1", "DGAT1"]
    for first, second in pairwise(tail):
        assert set(items(enzyme(first)["products"])) & set(items(enzyme(second)["substrates"])), (
            first,
            second,
        )


def test_enzyme_cells() -> None:
    for row in read("enzymes"):
        assert row["humangem_check"] in {"agrees", "reversed", "lumped", "absent"}, row
        assert row["reversible"] in {"yes", "no"}
        assert row["rate_limiting"] in {"yes", "no", "unknown"}
        assert re.fullmatch(r"ENSG\d{11}", row["ensembl"]), row
        assert all(re.fullmatch(r"MAR\d{5}", reaction) for reaction in items(row["humangem_reaction"]))
        assert row["humangem_reaction"]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+\.(\d+|-)", number) for number in items(row["ec"])), row
        for side in ("substrate", "product"):
            names = row[f"{side}s"].split("|")
            assert all(names), row
            assert len(set(names)) == len(names), row
            for kind, pattern in (("hmdb", r"HMDB\d{7}"), ("kegg", r"[CG]\d{5}"), ("proxy", r".+")):
                aligned = row[f"{side}_{kind}"].split("|")
                assert len(aligned) == len(names), (row["gene"], side, kind)
                assert all(not value or re.fullmatch(pattern, value) for value in aligned), (
                    row["gene"],
                    aligned,
                )
        main = set(items(row["substrates"])) | set(items(row["products"]))
        assert not main & set(items(row["cofactors"])), row["gene"]
        assert not set(items(row["substrates"])) & set(items(row["products"])), row["gene"]


def test_what_differs_from_the_model_is_said() -> None:
    for row in read("enzymes"):
        if row["humangem_check"] in {"reversed", "absent"}:
            assert "Human-GEM" in row["note"], row["gene"]
    reversed_genes = {row["gene"] for row in read("enzymes") if row["humangem_check"] == "reversed"}
    assert {"AKR1B1", "ALDOB", "GAPDH", "SDHA", "OTC", "ASL", "CPT1A", "GAMT"} <= reversed_genes


def test_rate_limiting_is_only_claimed_with_a_source_of_its_own() -> None:
    for row in read("enzymes"):
        sources = row["source"].split("; ")
        assert sources[0].startswith("Human-GEM 1.19.0"), row["gene"]
        own = [s for s in sources if not s.startswith(("Human-GEM", "HGNC", "EC of", "SMPDB"))]
        assert bool(own) == (row["rate_limiting"] != "unknown"), row["gene"]


def test_one_metabolite_name_has_one_identifier() -> None:
    for kind in ("kegg", "hmdb"):
        seen: dict[str, set[str]] = defaultdict(set)
        for row in read("enzymes"):
            for side in ("substrate", "product"):
                for name, value in zip(row[f"{side}s"].split("|"), row[f"{side}_{kind}"].split("|"), strict=True):
                    seen[name].add(value)
        assert {name: ids for name, ids in seen.items() if len(ids) > 1} == {}


def test_metabolites_have_one_row_and_synonyms_name_them() -> None:
    from rechallenge.knowledge.resolve.names import fold

    rows = read("metabolites")
    names = [row["metabolite"] for row in rows]
    assert len({fold(n) for n in names}) == len(names) > 1600
    assert all((row["hmdb"] or row["kegg"]) and re.search(r"MAM\d{5}", row["source"]) for row in rows)
    core = {n for row in read("enzymes") for c in ("substrate_proxy", "product_proxy") for n in row[c].split("|")}
    core |= {n for row in read("enzymes") for c in ("substrates", "products") for n in row[c].split("|")}
    known = {*names, *core}
    for row in read("metabolite_synonyms"):
        assert row["metabolite"] in known and row["source"], row["name"]
        assert fold(row["name"]) not in {fold(n) for n in known}, f"{row['name']} is the name of a compound"


def test_metabolites_are_those_of_the_model(shared: Path) -> None:
    from rechallenge.knowledge.resolve.names import fold

    folder = shared / "data" / "metabolism" / "humangem"
    model = defaultdict(list)
    for m in table(folder / "humangem119_metabolites_lite.tsv.gz"):
        model[m["metsNoComp"]].append(m)
    for row in read("metabolites"):
        of = [m for i in re.findall(r"MAM\d{5}", row["source"]) for m in model[i]]
        for column, theirs in (("hmdb", "metHMDBID"), ("kegg", "metKEGGID"), ("chebi", "metChEBIID")):
            assert set(filter(None, row[column].split("|"))) == {
                x.strip() for m in of for x in m[theirs].split(";") if x.strip()
            }
    listed = {(fold(r["name"]), r["metabolite"]) for r in read("metabolite_synonyms")}
    for row in read("metabolite_synonyms"):
        if found := re.search(r"MAM\d{5}", row["source"]):
            assert {m["name"] for m in model[found[0]]} == {row["name"]}
    assert len(listed) == len(read("metabolite_synonyms"))


def test_isozymes_share_pathway_group_and_more_than_one_member() -> None:
    groups = Counter(row["isozyme_group"] for row in read("enzymes") if row["isozyme_group"])
    assert groups["phosphofructokinase-1"] == 3
    assert groups["acetyl-CoA carboxylase"] == 2


def test_core_pathways_are_covered() -> None:
    pathways = {row["pathway"] for row in read("enzymes")}
    core = "glycolysis|polyol/fructose|pentose phosphate|hexosamine|TCA|serine/one-carbon|glutathione|purine"
    more = "pyrimidine|fatty-acid synthesis|fatty-acid oxidation|triglyceride synthesis"
    assert {*items(core), *items(more)} <= pathways


def test_inhibitors_belong_to_listed_enzymes() -> None:
    genes = {row["gene"] for row in read("enzymes")}
    rows = read("enzyme_inhibitors")
    assert {row["gene"] for row in rows} <= genes
    assert all(row["drug"] == row["drug"].lower() for row in rows)
    assert {row["drug"] for row in rows if row["gene"] == "AKR1B1"} == {"epalrestat", "tolrestat"}


# ---------------------------------------------------------------------------------------------- gene sets
def test_gene_sets_and_their_descriptions_match() -> None:
    info = read("gene_set_info")
    assert {row["set"] for row in read("gene_sets")} == {row["set"] for row in info}
    assert all(row["direction_in_resistance"] in {"up", "down", "context"} for row in info)
    assert all(row["title"] and len(row["description"]) > 20 for row in info)
    sizes = Counter(row["set"] for row in read("gene_sets"))
    assert min(sizes.values()) >= 5
    assert sizes["mitochondrial_ribosome"] == 78


def test_gene_set_membership() -> None:
    members: dict[str, set[str]] = defaultdict(set)
    for row in read("gene_sets"):
        members[row["set"]].add(row["gene"])
    assert "MRPL12" in members["mitochondrial_ribosome"]
    assert all(
        re.match(r"MRP[LS]|DAP3|CHCHD1|PTCD3|AURKAIP1|GADD45GIP1|ICT1|OXA", g)
        for g in members["mitochondrial_ribosome"]
    )
    assert {"VIM", "ZEB1", "SNAI1"} <= members["emt"]
    assert {"ABCB1", "ABCC1", "ABCG2"} <= members["abc_transport"] & members["drug_efflux"]
    assert {"IL6", "IL6ST", "JAK1", "STAT3"} <= members["il6_jak_stat3"]
    assert {"GPX4", "SLC7A11"} <= members["ferroptosis_suppressors"]
    assert not members["ferroptosis_suppressors"] & members["ferroptosis_drivers"]
    assert members["proliferation"] == members["cell_cycle_s"] | members["cell_cycle_g2m"]
    assert len(members["cell_cycle_s"]) == 43
    assert len(members["cell_cycle_g2m"]) == 54
    assert {"AKR1B1", "SORD", "KHK", "ALDOB"} <= members["polyol_fructose"]
    # the pyruvate dehydrogenase kinase is not part of PI3K signalling, whatever its symbol suggests
    assert "PDK1" not in members["pi3k_akt_mtor"]
    assert {"CDH1"} <= members["epithelial"]
    assert "CDH1" not in members["emt"]


# ------------------------------------------------------------------------------------- secreted, regulators
def test_secreted() -> None:
    rows = {row["gene"]: row for row in read("secreted")}
    assert {row["class"] for row in rows.values()} == {"secreted", "exosomal", "shed"}
    assert rows["IL6"]["class"] == "secreted"
    assert rows["AKR1B1"]["class"] == "exosomal"
    assert rows["AXL"]["class"] == "shed"


def test_regulators() -> None:
    rows = {(row["regulator"], row["target"]): row for row in read("regulators")}
    assert {row["effect"] for row in rows.values()} == {"+1", "-1"}
    assert "motif" in rows["FOSL2", "AKR1B1"]["evidence_kind"]
    assert "ChIP" in rows["ILF3", "MRPL12"]["evidence_kind"]
    # the two published promoter claims do not rest on the same evidence
    assert "ChIP" not in rows["FOSL2", "AKR1B1"]["evidence_kind"]
    assert rows["hsa-miR-7-5p", "CAV1"]["effect"] == "-1"
    assert rows["KAT2A", "ILF3"]["acts_on"] == "acetylation"
    assert rows["AKT1", "IL6"]["effect"] == "+1"
    mirnas = {row["mirna"] for row in read("mirna_seeds")}
    assert {row["regulator"] for row in rows.values() if row["regulator"].startswith("hsa-")} <= mirnas


# -------------------------------------------------------------------------------------------------- miRNA
PAIR = {"A": "T", "C": "G", "G": "C", "U": "A"}


def target_site(rna: str) -> str:
    """DNA of the mRNA strand that pairs with an RNA stretch given 5' to 3'."""
    return "".join(PAIR[base] for base in reversed(rna))


def test_mirna_sites_follow_from_the_mature_sequence() -> None:
    for row in read("mirna_seeds"):
        mature = row["mature"]
        assert re.fullmatch(r"[ACGU]{17,26}", mature), row["mirna"]
        assert re.fullmatch(r"MIMAT\d{7}", row["accession"])
        assert row["seed_2_8"] == mature[1:8]
        assert row["site_6mer"] == target_site(mature[1:7])
        assert row["site_7mer_m8"] == target_site(mature[1:8])
        # position 1 of the site is an adenine whatever the miRNA's first base is
        assert row["site_7mer_a1"] == target_site(mature[1:7]) + "A"
        assert row["site_8mer"] == target_site(mature[1:8]) + "A"
        assert row["targets_of_interest"]


def test_mir7_seed_site() -> None:
    row = next(row for row in read("mirna_seeds") if row["mirna"] == "hsa-miR-7-5p")
    assert row["site_7mer_m8"] == "GTCTTCC"
    assert row["site_8mer"] == "GTCTTCCA"
    assert set(items(row["targets_of_interest"])) == {"CAV1", "FGFR4"}


# ------------------------------------------------------------------------------------------------- genes
def test_every_gene_named_anywhere_is_in_the_gene_table() -> None:
    known = {row["symbol"] for row in read("genes")}
    named = {row["gene"] for name in ("enzymes", "enzyme_inhibitors", "gene_sets", "secreted") for row in read(name)}
    for row in read("mirna_seeds"):
        named |= set(items(row["targets_of_interest"]))
    for row in read("regulators"):
        named |= {gene for gene in (row["regulator"], row["target"]) if not gene.startswith("hsa-")}
    named |= {row["hgnc_symbol"] for row in read("date_genes")}
    assert named - known == set()
    assert known - named == set()


def test_gene_identifiers() -> None:
    rows = read("genes")
    for row in rows:
        assert not row["ensembl"] or re.fullmatch(r"ENSG\d{11}", row["ensembl"]), row
        assert not row["entrez"] or row["entrez"].isdigit(), row
        assert row["symbol"] not in items(row["previous_symbols"]), row
        assert row["symbol"] not in items(row["alias_symbols"]), row
    for column in ("ensembl", "entrez"):
        values = [row[column] for row in rows if row[column]]
        assert len(values) >= 0.98 * len(rows)
        assert [value for value, n in Counter(values).items() if n > 1] == []
    ensembl = {row["symbol"]: row["ensembl"] for row in rows}
    assert all(row["ensembl"] == ensembl[row["gene"]] for row in read("enzymes"))
    table = {row["symbol"]: row for row in rows}
    assert (table["AKR1B1"]["entrez"], table["AKR1B1"]["uniprot"]) == ("231", "P15121")
    assert "ALDR1" in items(table["AKR1B1"]["previous_symbols"])
    assert "G6PC" in items(table["G6PC1"]["previous_symbols"])


def test_no_current_symbol_is_a_date() -> None:
    dates = re.compile(r"(MARCH|MARC|SEPT|SEP|DEC|OCT)\d+$")
    for name, column in (
        ("genes", "symbol"),
        ("gene_sets", "gene"),
        ("enzymes", "gene"),
        ("secreted", "gene"),
    ):
        assert [row[column] for row in read(name) if dates.match(row[column])] == []


def test_date_genes() -> None:
    rows = read("date_genes")
    pairs = {(row["old_symbol"], row["hgnc_symbol"]) for row in rows}
    assert {(f"MARCH{n}", f"MARCHF{n}") for n in range(1, 12)} <= pairs
    assert {(f"SEPT{n}", f"SEPTIN{n}") for n in (*range(1, 13), 14)} <= pairs
    assert {("MARC1", "MTARC1"), ("DEC1", "BHLHE40"), ("DEC1", "DELEC1"), ("OCT4", "POU5F1")} <= pairs
    for row in rows:
        forms = items(row["spreadsheet_forms"])
        number = re.search(r"\d+$", row["old_symbol"])
        assert number is not None
        month = {"MAR": ("Mar", "03"), "SEP": ("Sep", "09"), "DEC": ("Dec", "12"), "OCT": ("Oct", "10")}[
            row["old_symbol"][:3]
        ]
        day = int(number.group())
        assert forms == [f"{day}-{month[0]}", f"{month[0]}-{day:02d}", f"{2000 + day}-{month[1]}-01"], row
    forms_of: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for form in items(row["spreadsheet_forms"]):
            forms_of[form].add(row["hgnc_symbol"])
    # one date stands for two genes: such a cell cannot be repaired and must be listed
    assert forms_of["1-Mar"] == {"MARCHF1", "MTARC1"}
    assert forms_of["1-Dec"] == {"BHLHE40", "DELEC1"}


# ----------------------------------------------------------------------- against the tables they were checked with
def table(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_enzymes_against_human_gem(shared: Path) -> None:
    folder = shared / "data" / "metabolism" / "humangem"
    kegg: dict[str, set[str]] = {}
    for metabolite in table(folder / "humangem119_metabolites_lite.tsv.gz"):
        kegg[metabolite["mets"]] = set(filter(None, metabolite["metKEGGID"].split(";")))
    reactions = {row["id"]: row for row in table(folder / "humangem119_reactions_lite.tsv.gz")}

    def side(reaction: Row, column: str) -> set[str]:
        members = [entry.split(":")[0] for entry in reaction[column].split(";") if entry]
        return set().union(*(kegg[member] for member in members)) if members else set()

    checked = Counter[str]()
    for row in read("enzymes"):
        listed = [reactions[name] for name in items(row["humangem_reaction"])]
        with_gene = [row["gene"] in reaction["genes"].split(";") for reaction in listed]
        assert any(with_gene) == (row["humangem_check"] != "absent"), row["gene"]
        substrates = {value for value in row["substrate_kegg"].split("|") if value}
        products = {value for value in row["product_kegg"].split("|") if value}
        if row["humangem_check"] == "lumped":
            everything = set().union(*(side(r, "substrates") | side(r, "products") for r in listed))
            if row["gene"] != "PYGL":  # its substrate is bound to glycogenin in the model
                assert substrates | products <= everything, row["gene"]
            continue
        left = set().union(*(side(reaction, "substrates") for reaction in listed))
        right = set().union(*(side(reaction, "products") for reaction in listed))
        if row["humangem_check"] == "reversed":
            left, right = right, left
        assert substrates <= left, (row["gene"], substrates - left)
        assert products <= right, (row["gene"], products - right)
        if row["gene"] != "ALDOB":
            runs_backwards = all(float(reaction["lb"]) < 0 for reaction in listed)
            assert row["reversible"] == ("yes" if runs_backwards else "no"), row["gene"]
        checked[row["humangem_check"]] += 1
    assert checked["agrees"] > 120
    assert checked["reversed"] > 20


def test_inhibitors_against_the_drug_target_tables(shared: Path) -> None:
    folder = shared / "data" / "knowledge"
    supported = set()
    for row in table(folder / "drugcentral_2018_human_drug_target.tsv.gz"):
        if row["MOA"] == "1.0" and row["ACTION_TYPE"] == "INHIBITOR":
            supported.add((row["GENE"], row["DRUG_NAME"].lower()))
    with (folder / "santos2017_drug_target_moa.tsv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            if row["ACTION_TYPE"] == "INHIBITOR":
                supported.add((row["GENE"], row["DRUG_NAME"].lower()))
    names = {row["symbol"]: {row["symbol"], *items(row["previous_symbols"])} for row in read("genes")}
    for row in read("enzyme_inhibitors"):
        assert any((name, row["drug"]) in supported for name in names[row["gene"]]), row
