"""Public cohorts: from a server on this machine through the knowledge tables into a study that runs."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rechallenge import knowledge
from rechallenge.clinical.cohorts import candidates, public, response
from rechallenge.clinical.cohorts.contract import PATIENT_EXPRESSION, PATIENTS
from rechallenge.faults import errors
from rechallenge.knowledge import downloading
from rechallenge.knowledge.errors import FormatError, NotInstalled
from rechallenge.knowledge.parsing.cohorts import platform, series_matrix
from rechallenge.study import Study
from rechallenge.tables.reading import read_study

N = 40


def _server() -> Any:
    """The test server of the knowledge tests."""
    path = Path(__file__).resolve().parents[1] / "knowledge" / "knowledge_server.py"
    spec = importlib.util.spec_from_file_location("knowledge_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["knowledge_server"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A web server that stands for the publishers, and a data folder of its own."""
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path / "data"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with _server().serving() as site:
        monkeypatch.setenv("RECHALLENGE_MIRROR", site.url)
        yield site


def series() -> bytes:
    """A GEO series matrix of a trial: gene KDR is higher in responders under sorafenib."""
    rng = np.random.default_rng(1)
    drug = np.arange(N) % 2 == 0
    responded = np.arange(N) % 4 < 2
    kdr = 8 + 2.5 * (drug & responded) + rng.normal(0, 0.4, N)
    names = [f"GSM{i}" for i in range(N)]
    quoted = "\t".join(f'"{n}"' for n in names)
    rows = ["ILMN_1\t" + "\t".join(f"{v:.4f}" for v in kdr), "ILMN_2\t" + "\t".join(f"{v - 3:.4f}" for v in kdr)]
    rows += [f"ILMN_{k}\t" + "\t".join(f"{v:.4f}" for v in rng.normal(7, 1, N)) for k in range(3, 40)]
    treatment = "\t".join(f'"treatment: {"Sor" if d else "Plac"}"' for d in drug)
    outcome = "\t".join(f'"outcome: {"responder" if r else "non-responder"}"' for r in responded)
    text = (
        f'!Series_geo_accession\t"GSE109211"\n!Series_platform_id\t"GPL13938"\n!Sample_title\t{quoted}\n'
        f"!Sample_geo_accession\t{quoted}\n!Sample_source_name_ch1\t{quoted}\n!Sample_characteristics_ch1\t{treatment}\n"
        f'!Sample_characteristics_ch1\t{outcome}\n!series_matrix_table_begin\n"ID_REF"\t{quoted}\n'
        + "\n".join(rows)
        + "\n!series_matrix_table_end\n"
    )
    return gzip.compress(text.encode(), mtime=0)


GPL = "#ID = probe\nID\tSymbol\nILMN_1\tKDR\nILMN_2\tKDR\nILMN_3\tAXL\nILMN_4\tA /// B\n" + "".join(
    f"ILMN_{k}\tGENE{k}\n" for k in range(5, 40)
)


def test_from_the_server_into_a_study_that_answers(mirror: Any, tmp_path: Path) -> None:
    mirror.files["/gse109211/GSE109211_series_matrix.txt.gz"] = series()
    with pytest.raises(NotInstalled, match="knowledge fetch gse109211"):
        public.write("gse109211", tmp_path / "study")
    record = knowledge.fetch("gse109211")
    assert record["version"].startswith("GSE109211, 40 samples, 39 probes, GPL13938")
    table = knowledge.table("gse109211")
    assert (table[table["field"] == "outcome"]["value"] == "responder").sum() == 20
    (tmp_path / "gpl.txt").write_text(GPL)
    done = public.write("gse109211", tmp_path / "study", platform=tmp_path / "gpl.txt")
    assert (done.n_patients, done.n_genes) == (40, 37)
    (tmp_path / "study" / "study.toml").write_text(
        f'[study]\ntitle = "t"\ntherapies = ["sorafenib"]\n{done.study_lines}'
    )
    study = Study.load(tmp_path / "study")
    read = read_study(study, {"patients": PATIENTS, "patient_expression": PATIENT_EXPRESSION})
    assert not errors(read.faults), read.faults
    tables = [read.tables[k] for k in ("patients", "patient_expression", "patient_expression_samples")]
    of = response.response_scan(*tables)
    assert set(of["arm"]) == {"Sor", "Plac"}
    chosen = candidates.clinical_candidates(None, of, study.therapies_table(), top=0)
    kdr = response.response(tables[0], chosen, of, *tables[1:], draws=199).set_index("gene").loc["KDR"]
    assert kdr["auc"] > 0.95 and kdr["interaction_p_value"] < 0.01 and kdr["why"] == "target of sorafenib"


def test_tcga_tables_become_a_study(mirror: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "knowledge"))
    try:
        import knowledge_samples as samples
    finally:
        sys.path.pop(0)
    for name in ("tcga_lihc_survival", "tcga_lihc_expression", "tcga_cdr", "cbioportal_lihc"):
        for file, data in samples.SAMPLES[name]:
            mirror.files[f"/{name}/{file}"] = data
        knowledge.fetch(name)
    done = public.write("tcga_lihc_survival", tmp_path / "s")
    people = pd.read_csv(done.patients)
    assert set(people["endpoint"]) == {"OS", "DSS", "DFI", "PFI"} and done.n_patients == 2
    assert people[people["endpoint"] == "OS"]["event"].tolist() == [1, 0] and set(people["time_unit"]) == {"days"}
    assert done.samples is not None
    assert pd.read_csv(done.samples)["tissue"].tolist() == ["tumour", "normal", "tumour"]
    assert pd.read_csv(public.write("tcga_cdr", tmp_path / "c").patients)["patient"].unique().tolist() == [
        "TCGA-AA-0001"
    ]
    wide = pd.read_csv(public.write("cbioportal_lihc", tmp_path / "b").patients)
    assert wide.loc[0, "OS_STATUS"] == "1:DECEASED"


def test_a_series_matrix_is_read_by_the_names_of_its_characteristics(tmp_path: Path) -> None:
    path = tmp_path / "GSE1_series_matrix.txt.gz"
    path.write_bytes(series())
    one = series_matrix(path)
    assert one.rows == 39 and one.platform == "GPL13938" and len(one.samples) == N
    values = one.values()
    assert values.shape == (39, N) and values.loc["ILMN_1"].mean() > values.loc["ILMN_2"].mean()
    frame = public.of_series(one, columns={"time": "title"})
    assert frame["time"].iloc[0] == "GSM0" and {"response", "treatment"} <= set(frame.columns)
    with pytest.raises(KeyError, match="no characteristic os"):
        public.of_series(one, columns={"time": "os"})
    genes = public.by_symbol(values, {"ILMN_1": "KDR", "ILMN_2": "KDR"})
    assert genes.index.tolist() == ["KDR"] and (genes.loc["KDR"] == values.loc["ILMN_1"]).all()


def test_what_is_no_series_matrix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("gene\tS1\nA\t1\n")
    with pytest.raises(FormatError, match="not a GEO series matrix"):
        series_matrix(tmp_path / "x.txt")
    (tmp_path / "gpl.txt").write_text("ID\tname\n1\tx\n")
    with pytest.raises(FormatError, match="no columns ID and Symbol"):
        platform(tmp_path / "gpl.txt")


def test_the_command_line(mirror: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.txt.gz").write_bytes(series())
    public.main([str(tmp_path / "m.txt.gz"), str(tmp_path / "s"), "--cohort", "Own trial"])
    assert 'name = "Own trial"' in capsys.readouterr().out
    assert (tmp_path / "s" / "Own_trial_patients.csv").exists()
