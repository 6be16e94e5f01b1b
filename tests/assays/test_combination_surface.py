"""The surface of a combination as a page: what is in it, what cannot get into it, and where it is written."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from combination_examples import A, B, experiment, with_origin

from rechallenge.assays import combination as assay
from rechallenge.assays.combination.surface_page import surface_page
from rechallenge.faults import InputFaults
from rechallenge.simulate.combinations import Agent
from rechallenge.surface import write_page

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """A synergistic pair on one model at two exposures, an additive pair on another."""
    wells = [
        experiment(interaction=2.0, replicates=4, noise=0.01),
        experiment(replicates=4, hours=24.0, seed=2),
        experiment(Agent("nu/1", 2.0), B, model="L02", seed=3),
    ]
    responses = assay.combination_responses(with_origin(pd.concat(wells, ignore_index=True)))
    return {"combination_responses": responses, **assay.synergy(responses, n_rotations=99)}


def page_of(tables: dict[str, pd.DataFrame], *names: str, **options: Any) -> str:
    return surface_page(
        tables["synergy_cells"], tables["combination_responses"], *(names or ("tumour", "alpha", "beta")), **options
    )


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert found
    return json.loads(found[1])


def results(tables: dict[str, pd.DataFrame], out: Path) -> Path:
    """A results folder with these tables."""
    (out / "tables").mkdir(parents=True)
    for name, frame in tables.items():
        frame.to_parquet(out / "tables" / f"{name}.parquet")
    return out


def named(tables: dict[str, pd.DataFrame], name: str) -> dict[str, pd.DataFrame]:
    """The same tables with this name for the model and the first drug."""
    return {k: tables[k].replace({"model": {"tumour": name}, "drug_a": {"alpha": name}}) for k in tables}


# what is in it ----------------------------------------------------------------------------------------------------


def test_every_dose_pair_and_every_replicate_is_there(tables: dict[str, pd.DataFrame]) -> None:
    data = data_of(page_of(tables))
    assert data["drugs"] == ["alpha", "beta"] and data["method"] == "Bliss"
    early, late = data["conditions"]
    assert late["doses"] == [[0.0, *A.doses], [0.0, *B.doses]] and late["labels"][1][1] == "0.25"
    for condition in (early, late):
        assert len(condition["cells"]) == 36 and {len(c["replicates"]) for c in condition["cells"]} == {4}
    cells = tables["synergy_cells"]
    mine = cells[(cells["model"] == "tumour") & (cells["hours"] == 72) & (cells["method"] == "bliss")]
    shown = {(c["i"], c["j"]): c for c in late["cells"]}
    for row in mine.itertuples():
        cell = shown[late["doses"][0].index(row.dose_a_um), late["doses"][1].index(row.dose_b_um)]
        assert cell["measured"] == pytest.approx(np.mean(cell["replicates"]), abs=1e-3)
        assert cell["measured"] == pytest.approx(row.observed, abs=1e-3)
        assert cell["reference"] == pytest.approx(row.reference, abs=1e-3)
        assert cell["excess"] == pytest.approx(row.excess, abs=1e-3) and cell["sign"] == row.sign
    assert (mine["sign"] == "synergy").sum() > 5, "the example has what is to be marked"
    alone = [c for (i, j), c in shown.items() if 0 in (i, j)]
    assert all(c["reference"] == c["measured"] and c["excess"] == 0 and not c["sign"] for c in alone)


def test_a_fitted_reference_says_nothing_of_single_agents(tables: dict[str, pd.DataFrame]) -> None:
    page = page_of(tables, method="loewe")
    cells = data_of(page)["conditions"][0]["cells"]
    assert all(c["reference"] is None and c["excess"] is None for c in cells if 0 in (c["i"], c["j"]))
    assert any(c["reference"] is not None for c in cells)
    assert "shown for combinations only" in page and "shown for combinations only" not in page_of(tables)


def test_a_bound_is_said_as_a_bound(tables: dict[str, pd.DataFrame]) -> None:
    cells = tables["synergy_cells"].copy()
    one = cells.index[(cells["method"] == "bliss") & (cells["model"] == "tumour")][0]
    for column, value in {"excess": np.nan, "bound": -3.25, "status": "censored"}.items():
        cells.loc[one, column] = value
    told = [dict(c["told"]) for c in data_of(page_of(tables | {"synergy_cells": cells}))["conditions"][0]["cells"]]
    assert [t["Excess (%)"] for t in told if "≤" in t.get("Excess (%)", "")] == ["≤ −3.2"]


def test_a_dose_pair_that_was_not_tested_is_a_hole(tables: dict[str, pd.DataFrame]) -> None:
    gone = {k: t[~((t["dose_a_um"] == 2) & (t["dose_b_um"] == 1))] for k, t in tables.items() if "dose_a_um" in t}
    cells = data_of(page_of(gone))["conditions"][0]["cells"]
    assert len(cells) == 35 and None not in [c["measured"] for c in cells]


def test_the_same_bytes_in_any_order_of_rows(tables: dict[str, pd.DataFrame]) -> None:
    mixed = {k: tables[k].sample(frac=1, random_state=5) for k in ("synergy_cells", "combination_responses")}
    assert page_of(mixed) == page_of(tables)


def test_what_is_not_there_is_refused(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match="no surface of alpha"):
        page_of(tables, "L02", "alpha", "beta")
    with pytest.raises(ValueError, match="hsa, bliss, loewe, zip"):
        page_of(tables, method="mean")


# what cannot get into it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [HOSTILE, "<!--<script>", "{{ 7 * 7 }}", "a\u2028b & \"c\" 'd'"])
def test_a_name_is_text_wherever_it_stands(tables: dict[str, pd.DataFrame], name: str) -> None:
    page = page_of(named(tables, name), name, name, "beta")
    plain = page_of(tables)
    assert data_of(page)["drugs"][0] == name
    assert html.unescape(page).count(name) >= 4, "the title and the heading say it as it is"
    for tag in ("<script", "</script", "<img", "<!--"):
        assert page.count(tag) == plain.count(tag), f"the name made {tag}"


def test_nothing_is_asked_of_elsewhere(tables: dict[str, pd.DataFrame]) -> None:
    page = page_of(tables)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|fetch\(|XMLHttp|import\(|innerHTML|\beval\(", page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}';" in page, "its own script may run, no other"


# drawn by the script itself ----------------------------------------------------------------------------------------

STAGE = """
const said = [], calls = {}, made = {}, page = %s;
const pen = new Proxy({}, { get: (o, k) => k in o ? o[k] : (...a) => { calls[k] = (calls[k] || 0) + 1;
  if (k === "fillText") said.push(a[0]);
  for (const v of a) if (typeof v === "number" && !Number.isFinite(v)) throw new Error(k + " got " + v);
  return { width: 40 }; } });
const element = (id) => made[id] ||= { id, hidden: true, dataset: {}, style: {}, on: {}, textContent: page,
  clientWidth: 900, clientHeight: 600, offsetWidth: 100, offsetHeight: 50, getContext: () => pen, append() {},
  setAttribute(k, v) { this[k] = v; }, getBoundingClientRect: () => ({ left: 0, top: 0 }), setPointerCapture() {},
  addEventListener(k, f) { this.on[k] = f; }, replaceChildren(...r) { this.rows = r.length; } };
const views = ["measured", "reference", "excess"].map((v) => Object.assign(element(v), { dataset: { view: v } }));
globalThis.document = { getElementById: (id) => id === "condition" ? null : element(id), documentElement: {},
  querySelectorAll: () => views, createElement: () => element(Math.random()) };
globalThis.window = { devicePixelRatio: 1, addEventListener() {} };
globalThis.location = { hash: "" };
globalThis.getComputedStyle = () => ({ getPropertyValue: () => "#000000" });
globalThis.ResizeObserver = class { observe() {} };
%s
const canvas = element("surface"), out = { first: [...said] };
for (const key of ["ArrowLeft", "ArrowUp", "+", "Home"]) canvas.on.keydown({ key, preventDefault() {} });
canvas.on.wheel({ deltaY: 50, preventDefault() {} });
for (let x = 0; x < 900 && !made.tip.rows; x += 4) for (let y = 0; y < 600; y += 4)
  canvas.on.pointermove({ clientX: x, clientY: y });
out.told = made.tip.rows; said.length = 0;
views[2].on.click();
out.excess = [...said]; out.pressed = views.map((v) => v["aria-pressed"]); out.dots = calls.arc;
console.log(JSON.stringify(out));
"""


def test_the_script_draws_axes_doses_and_points(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node to run the script of the page")
    page = page_of(named(tables, HOSTILE), HOSTILE, HOSTILE, "beta")
    script = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(script) == 1
    (tmp_path / "stage.js").write_text(STAGE % (json.dumps(json.dumps(data_of(page))), script[0]), encoding="utf-8")
    done = subprocess.run([node, str(tmp_path / "stage.js")], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert "beta (µM)" in out["first"] and any(t.startswith("</script><img") for t in out["first"])
    assert {"0", "0.25", "4", "Inhibition (%)"} <= set(out["first"])
    assert "Excess over Bliss (%)" in out["excess"] and out["pressed"] == ["false", "false", "true"]
    assert out["told"] >= 4 and out["dots"] >= 36 * 4


# where it is written ----------------------------------------------------------------------------------------------


def test_written_beside_the_report(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    out = results(tables, tmp_path / "results")
    path = write_page(out, model="TUMOUR", pair="Beta & alpha")
    assert path == out / "surface_tumour_alpha_beta_bliss.html"
    assert path.read_text("utf-8") == page_of(tables) and write_page(out, model="tumour") == path
    assert write_page(out, pair="NU/1 / beta", method="hsa").name == "surface_L02_nu_1_beta_hsa.html"
    assert write_page(out) == path, "the synergistic pair is the clearest"
    assert write_page(out, to=tmp_path / "new" / "mine.html").is_file()


def test_another_file_is_never_written_over(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    out = results(tables, tmp_path / "results")
    for name in ("report.html", "wells.csv"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputFaults, match=name):
            write_page(out, to=tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "tumor"}, "Did you mean 'tumour'?"),
        ({"pair": "alpha + gamma"}, "alpha"),
        ({"method": "mean"}, "hsa, bliss, loewe, zip"),
    ],
)
def test_an_unknown_name_is_a_sentence(
    tables: dict[str, pd.DataFrame], tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    out = results(tables, tmp_path / "results")
    with pytest.raises(InputFaults) as error:
        write_page(out, **options)
    assert said in str(error.value.faults[0]) and not list(out.glob("*.html"))


def test_no_results_and_no_combination_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputFaults) as error:
        write_page(tmp_path / "nowhere")
    assert "holds no results" in str(error.value.faults[0])
    (tmp_path / "tables").mkdir()
    with pytest.raises(InputFaults) as error:
        write_page(tmp_path)
    assert "no combination of drugs" in str(error.value.faults[0])
