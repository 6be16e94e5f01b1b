"""The questions that the knowledge tables must answer, and what they must not claim."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import knowledge_samples as samples
import pytest
from typer.testing import CliRunner

from rechallenge import knowledge
from rechallenge.knowledge import questions
from rechallenge.knowledge.commands import app
from rechallenge.knowledge.errors import KnowledgeError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RECHALLENGE_MIRROR", raising=False)
    return tmp_path


def test_inhibitors_of_aldose_reductase() -> None:
    found: Any = questions.drugs_for("AKR1B1", action="inhibitor")
    assert found.loc[0, "drug"] == "epalrestat"
    assert found.loc[0, "status"] == "approved"
    assert "PMDA 1992" in found.loc[0, "approvals"], "approved in Japan"
    assert "not EMA, FDA" in found.loc[0, "approvals"]
    tolrestat: Any = found.set_index("drug").loc["tolrestat"]
    assert tolrestat["status"] == "withdrawn"
    assert "withdrawn for liver toxicity" in tolrestat["liver"]
    assert "DILIrank most" in tolrestat["liver"]
    rank = found["status"].map({"approved": 0, "investigational": 1, "unknown": 2, "withdrawn": 3, "tool": 4})
    assert rank.is_monotonic_increasing
    assert (found["source"] != "").all()


def test_drugs_of_a_gene_by_any_of_its_names() -> None:
    by_alias: Any = questions.drugs_for("VEGFR2")
    assert by_alias.equals(questions.drugs_for("ENSG00000128052"))
    assert {"lenvatinib", "sorafenib", "regorafenib"} <= set(by_alias["drug"])
    assert set(questions.drugs_for("IL6", action=["antibody"])["drug"]) == {"siltuximab"}
    with pytest.raises(KnowledgeError, match=r"'MDR1' could be ABCB1 or"):
        questions.drugs_for("MDR1")
    assert len(questions.drugs_for("FOSL2")) == 0, "no drug is an answer"


def test_enzyme_inhibitors_that_are_not_in_the_drug_table_are_of_unknown_status() -> None:
    listed: Any = knowledge.starter("enzyme_inhibitors")
    extra: Any = listed[~listed["drug"].isin(knowledge.starter("drugs")["drug"])].iloc[0]
    found: Any = questions.drugs_for(extra["gene"]).set_index("drug")
    assert found.loc[extra["drug"], "status"] == "unknown"


def test_an_installed_drugcentral_adds_drugs(place: Path) -> None:
    text = gzip.decompress(samples.DRUGCENTRAL).replace(b"GENEA|GENEB", b"AKR1B1|GENEB")
    (place / "d.tsv").write_bytes(text)
    knowledge.add("drugcentral", place / "d.tsv", version="test")
    found: Any = questions.drugs_for("AKR1B1").set_index("drug")
    assert found.loc["somedrug", "status"] == "unknown"
    assert found.loc["somedrug", "source"] == "DrugCentral test (installed)"
    assert list(found.index).count("epalrestat") == 1


@pytest.mark.parametrize(
    ("drug", "targets"),
    [
        ("lenvatinib", {"KDR", "FLT1", "FLT4", "FGFR1", "FGFR2", "FGFR3", "FGFR4", "KIT", "RET", "PDGFRA"}),
        ("sorafenib", {"RAF1", "BRAF", "KDR", "FLT3", "KIT", "PDGFRB"}),
        ("regorafenib", {"KDR", "TEK", "RAF1", "BRAF", "KIT", "RET", "PDGFRB", "FGFR1"}),
        ("BGB324", {"AXL"}),
        ("BLU9931", {"FGFR4"}),
        ("Lenvatinib mesylate", {"KDR", "FGFR4"}),
    ],
)
def test_targets(drug: str, targets: set[str]) -> None:
    found: Any = questions.targets_of(drug, primary=True)
    assert targets <= set(found["target"])
    assert (found["primary"] == "yes").all()


def test_43_um_lenvatinib_is_out_of_reach_by_two_orders() -> None:
    answer = questions.achievable("lenvatinib", 43.0)
    assert answer.verdict == "no"
    assert round(math.log10(answer.ratio_total)) == 2
    assert answer.total_um == pytest.approx(0.7534)
    assert answer.free_um == pytest.approx(0.7534 * 0.02)
    assert answer.free_basis.startswith("computed here")
    assert "about two orders of magnitude" in answer.text
    values = answer.rows["value"].dropna()
    assert all(f"{v:.4g}" in answer.text for v in values), "every source is shown"
    assert "CP204440" in answer.text
    assert str(answer) == answer.text


def test_disagreeing_numbers_are_all_shown() -> None:
    answer = questions.achievable("sorafenib", 5.0)
    assert answer.verdict == "total only", "within the total, far above the free concentration"
    assert answer.spread > 5
    assert "differ" in answer.text
    totals = answer.rows[answer.rows["quantity"] == "cmax_total"]["value"].dropna()
    assert len(totals) >= 10
    assert answer.total_um == totals.max()
    assert answer.ratio_free > 10


def test_contested_and_unknown_numbers_decide_nothing() -> None:
    celastrol = questions.achievable("celastrol", 0.5)
    assert celastrol.verdict == "unknown"
    assert math.isnan(celastrol.total_um)
    assert "Only contested numbers exist" in celastrol.text
    assert questions.achievable("cabozantinib", 5.0).verdict == "unknown"
    none = questions.achievable("abt-737", 5.0)
    assert none.verdict == "unknown"
    assert "no row for this drug" in none.text


@pytest.mark.parametrize(
    ("drug", "dose", "verdict"),
    [
        ("metformin", 5.0, "yes"),
        ("metformin", 50.0, "above"),
        ("metformin", 10_000.0, "no"),
        ("imatinib", 1.0, "total only"),
    ],
)
def test_verdicts(drug: str, dose: float, verdict: str) -> None:
    assert questions.achievable(drug, dose).verdict == verdict


@pytest.mark.parametrize("dose", [0.0, -1.0, float("nan")])
def test_a_dose_is_positive(dose: float) -> None:
    with pytest.raises(ValueError, match="positive number of µM"):
        questions.achievable("sorafenib", dose)


def test_a_tissue_level_is_no_plasma_level() -> None:
    assert questions.achievable("bemcentinib", 1.0).verdict == "unknown"


def test_is_l02_a_hepatocyte_line() -> None:
    for name in ("L02", "LO2", "HL-7702"):
        answer = questions.is_hepatocyte(name)
        assert answer.verdict == "no"
        assert "HeLa" in answer.text
        assert "CVCL_6926" in answer.source
    assert questions.is_hepatocyte("Huh-7").verdict == "unknown"
    assert questions.is_hepatocyte("nothing").verdict == "unknown"


def test_hepatic_label_of_lefamulin() -> None:
    found: Any = questions.hepatic("Xenleta")
    assert "Child-Pugh B or C" in found.loc[0, "label_note"]
    assert "prescribing information" in found.loc[0, "source"]


def test_what_is_unknown_of_celastrol() -> None:
    text = " ".join(questions.unknowns("celastrol"))
    for word in (
        "Targets",
        "Approval",
        "Exposure: no sourced total",
        "free",
        "contested",
        "Liver: no DILIrank",
        "InChIKey",
    ):
        assert word in text
    sorafenib = " ".join(questions.unknowns("sorafenib"))
    assert "Targets" not in sorafenib
    assert "DILIrank" not in sorafenib


def test_approvals() -> None:
    found: Any = questions.approvals_of("epalrestat").set_index("agency")
    assert found.loc["PMDA", "state"] == "approved"
    assert found.loc["PMDA", "year"] == 1992
    assert found.loc["FDA", "state"] == "never"


@pytest.mark.parametrize(
    "name", ["AKR1B1", "celastrol", "lenvatinib", "L02", "lactate", "ferroptosis_suppressors", "iclac", "drugs"]
)
def test_describe_is_plain_text_within_the_width(name: str) -> None:
    text = questions.describe(name, 88)
    assert all(len(line) <= 88 or "http" in line or " " not in line.strip() for line in text.splitlines())
    assert "nan" not in text.split()
    assert "[]" not in text


@pytest.mark.slow
def test_every_drug_gene_and_line_can_be_described() -> None:
    for table, column in (("drugs", "drug"), ("cell_lines", "name"), ("enzymes", "gene")):
        for name in knowledge.starter(table)[column]:
            assert questions.describe(name)


def test_describe_shows_sources() -> None:
    text = questions.describe("AKR1B1", 4000)
    for row in knowledge.starter("drug_targets").query("target == 'AKR1B1'").to_dict("records"):
        assert row["source"] in text
    assert text.index("epalrestat") < text.index("tolrestat")


def test_a_name_nobody_knows_gets_close_names_and_no_answer() -> None:
    with pytest.raises(KnowledgeError, match=r"say nothing of 'sorafenip'.*Close names: sorafenib"):
        questions.describe("sorafenip")


def test_list_names_every_table_licence_and_state() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    for one in ("drugs", "cellosaurus", "hgnc"):
        assert one in result.output
    assert "commercial use: not allowed" in " ".join(result.output.split())
    assert "Not verified" in result.output
    assert "not installed" in result.output
    assert max(map(len, result.output.splitlines())) <= 100 or "doi" in result.output


def test_add_show_and_remove_at_the_command_line(place: Path) -> None:
    run = CliRunner()
    file = samples.write(place / "files", "hgnc")[0]
    added = run.invoke(app, ["add", "hgnc", str(file), "--version", "2026-11"])
    assert added.exit_code == 0
    assert "2 rows, version 2026-11" in added.output
    assert "installed, 2 rows, 2026-11" in run.invoke(app, ["list"]).output
    shown = run.invoke(app, ["show", "epalrestat"])
    assert "PMDA: approved 1992" in " ".join(shown.output.split())
    assert "hgnc removed" in run.invoke(app, ["remove", "hgnc"]).output
    assert "not installed" in run.invoke(app, ["remove", "hgnc"]).output


def test_fetch_at_the_command_line_says_the_licence_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples.write(place / "mirror", "iclac")
    monkeypatch.setenv("RECHALLENGE_MIRROR", str(place / "mirror"))
    result = CliRunner().invoke(app, ["fetch", "iclac"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert "commercial use: not allowed" in lines[0]
    assert "2 rows" in lines[1]
    assert isinstance(CliRunner().invoke(app, ["fetch", "nothing"]).exception, KnowledgeError)


def test_the_command_line_and_the_package_load_nothing_heavy() -> None:
    code = (
        "import sys, json, rechallenge.knowledge, rechallenge.knowledge.commands\n"
        "print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    )
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code])))
    assert not loaded & {"numpy", "pandas", "pyarrow", "requests", "pooch", "python_calamine"}


def test_a_table_that_is_not_installed_is_left_out_and_a_damaged_or_misspelt_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sets and regulons go on without what is not there; trouble with what is there, and a wrong name, are said."""
    from rechallenge.knowledge import tables
    from rechallenge.knowledge.errors import KnowledgeError, NotInstalled, UnknownResource
    from rechallenge.knowledge.questions import collections

    kept = tables.table

    def trouble(error: type[KnowledgeError]) -> None:
        def table(name: str) -> object:
            if name in ("hallmark", "collectri"):
                raise error(name)
            return kept(name)

        monkeypatch.setattr(tables, "table", table)

    trouble(NotInstalled)
    assert set(collections.gene_sets(None, ["programmes", "hallmark"])) == {"programmes"}
    assert set(collections.regulons(None)["regulons"]) == {collections.STARTER}
    trouble(KnowledgeError)
    for ask in (lambda: collections.gene_sets(None, ["hallmark"]), lambda: collections.regulons(None)):
        with pytest.raises(KnowledgeError):
            ask()
    with pytest.raises(UnknownResource):
        collections.gene_sets(None, ["hallmrk"])
