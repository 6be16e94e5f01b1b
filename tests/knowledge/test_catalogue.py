"""The catalogue: complete, honest about licences, and of one form with the tables and parsers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from rechallenge import knowledge
from rechallenge.knowledge import catalogue
from rechallenge.knowledge.catalogue import PERMISSIONS, Resource
from rechallenge.knowledge.errors import NotInstalled, UnknownResource
from rechallenge.knowledge.parsing import parsers

DATA = Path(knowledge.__file__).parent / "data"
ALL = list(catalogue.catalogue().values())
FETCHABLE = [r for r in ALL if not r.starter]


def ids(one: Resource) -> str:
    return one.name


def test_every_csv_of_the_package_is_in_the_catalogue() -> None:
    assert {p.stem for p in DATA.glob("*.csv")} == set(catalogue.names(starter=True))


@pytest.mark.parametrize("name", catalogue.names(starter=True))
def test_a_starter_table_has_the_documented_columns(name: str) -> None:
    assert tuple(knowledge.starter(name).columns) == catalogue.get(name).column_names


@pytest.mark.parametrize("one", ALL, ids=ids)
def test_an_entry_says_what_must_be_said(one: Resource) -> None:
    assert one.title and one.about and one.licence and one.citation and one.version and one.used_for
    assert one.redistribution in PERMISSIONS
    assert one.commercial in PERMISSIONS
    assert {c.kind for c in one.columns} <= {"text", "number", "integer", "list"}
    assert len(set(one.column_names)) == len(one.columns)
    assert all(c.about for c in one.columns)
    # a permission that is not known must be said to be unverified
    if "unknown" in (one.redistribution, one.commercial):
        assert one.unverified


@pytest.mark.parametrize("one", FETCHABLE, ids=ids)
def test_a_fetchable_entry_has_a_parser_and_official_addresses(one: Resource) -> None:
    assert one.parser in parsers()
    assert one.sources
    for source in one.sources:
        assert source.address.startswith("https://")
        assert source.listing or source.file
        assert re.fullmatch(r"[0-9a-f]{64}|", source.sha256)
        assert bool(source.sha256) == bool(source.sha256_from)
        assert not (one.moving and source.sha256), "a moving address cannot have a fixed checksum"


def test_the_resources_that_a_study_may_need_are_there() -> None:
    wanted = (
        "drugcentral open_targets_drugs open_targets_mechanisms dilirank civic hallmark reactome go_bp wikipathways "
        "collectri progeny humangem_metabolites humangem_reactions string_links jaspar targetscan hpa_secretome "
        "cellosaurus iclac hgnc"
    )
    assert set(wanted.split()) <= set(catalogue.names(starter=False))


def test_forbidden_uses_are_in_the_sentence_said_before_download() -> None:
    sentence = catalogue.get("iclac").permission()
    assert "Redistribution: not allowed" in sentence
    assert "commercial use: not allowed" in sentence


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownResource, match="Did you mean drugcentral"):
        catalogue.get("drug_central")


def test_a_table_is_typed_and_says_where_it_comes_from() -> None:
    exposure = knowledge.table("exposure")
    assert exposure["value"].dtype == "float64"
    assert exposure["value"].isna().any(), "unknown stays unknown"
    drugs: Any = knowledge.table("drugs").set_index("drug")
    assert "E7080" in drugs.loc["lenvatinib", "synonyms"]
    assert drugs.loc["blu9931", "salts"] == []
    record = exposure.attrs["provenance"]
    assert record["licence"].startswith("CC BY-SA")
    assert re.fullmatch(r"[0-9a-f]{64}", record["sha256"])
    assert record["rows"] == len(exposure)
    assert knowledge.table("approvals")["year"].dtype == "Int64"


def test_tables_handed_out_are_copies() -> None:
    for mine in (knowledge.starter("drugs"), knowledge.table("drugs")):
        mine.loc[0, "drug"] = "changed"
    assert "changed" not in set(knowledge.starter("drugs")["drug"])


def test_versions_for_the_record_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path))
    found = knowledge.versions(["drugs", "hgnc"])
    assert found["drugs"]["rows"] == len(knowledge.starter("drugs"))
    assert found["drugs"]["version"].startswith("starter set of rechallenge")
    assert found["hgnc"]["state"] == "not installed"
    assert set(knowledge.versions()) == set(catalogue.names(starter=True))
    with pytest.raises(UnknownResource):
        knowledge.versions(["nothing"])


def test_what_is_not_installed_says_how_to_get_it_and_the_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path))
    with pytest.raises(NotInstalled, match="knowledge fetch iclac") as caught:
        knowledge.table("iclac")
    assert "commercial use: not allowed" in str(caught.value)


def test_every_table_has_a_documentation_page(tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "generate_resources.py"
    spec = importlib.util.spec_from_file_location("generate_resources", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = module.write(tmp_path / "resources")
    assert {p.stem for p in written} == {"index", *catalogue.names()}
    text = (tmp_path / "resources" / "collectri.md").read_text("utf-8")
    for expected in ("CC BY 4.0", "4473c918", "doi.org/10.1093/nar/gkad841", "`weight`", "Not verified"):
        assert expected in text
    drugs = (tmp_path / "resources" / "drugs.md").read_text("utf-8")
    assert f"{len(knowledge.starter('drugs')):,}" in drugs
    listed = (tmp_path / "resources" / "index.md").read_text("utf-8")
    assert all(f"({name}.md)" in listed for name in catalogue.names())
