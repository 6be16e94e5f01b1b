"""The worked example of CONTRIBUTING.md: found as a plug-in, run in a study, and right."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import rechallenge
from rechallenge import evidence, outputs
from rechallenge.analysis import discover
from rechallenge.faults import NotApplicable

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "colonies.py"
MODELS = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]})


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example installed as CONTRIBUTING.md says: a module and an entry point."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "colonies_assay.py").write_bytes(EXAMPLE.read_bytes())
    info = place / "colonies_assay-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: colonies-assay\nVersion: 0.1\n")
    said = re.search(r'\[project\.entry-points\."rechallenge\.analyses"\]\n(.+?)\n```', _contributing(), re.DOTALL)
    assert said, "CONTRIBUTING.md shows the entry point"
    (info / "entry_points.txt").write_text("[rechallenge.analyses]\n" + said[1].replace('"', "") + "\n")
    monkeypatch.syspath_prepend(str(place))
    importlib.invalidate_caches()
    discover.cache_clear()
    yield importlib.import_module("colonies_assay")
    sys.modules.pop("colonies_assay", None)
    discover.cache_clear()


def _contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def dishes(seed: int = 0, effect: float = 1.5, n: int = 4) -> pd.DataFrame:
    """Colonies of two lines in `n` experiments; survival of the resistant line is 2 ** effect of its parent's."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(n):
        day = rng.normal(0, 0.1)
        for model, gain in (("P", 0.0), ("R", effect)):
            for dose, kept in ((0.0, 1.0), (5.0, 0.15 * 2 ** (gain + rng.normal(0, 0.05)))):
                expected = 500 * 0.4 * kept * 2**day
                rows += [(model, "sorafenib", dose, str(r), 500, rng.poisson(expected)) for _ in range(2)]
    return pd.DataFrame(rows, columns=["model", "drug", "dose_um", "replicate", "seeded", "colonies"])


def test_the_example_runs_in_a_study(plugin: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    dishes(3).to_csv(folder / "colonies.csv", index=False)
    (folder / "study.toml").write_text(
        '[study]\ntitle = "Colonies"\ntherapies = ["sorafenib"]\n[models]\nP = { role = "parental" }\n'
        'R = { role = "resistant", parent = "P", selected_with = "sorafenib" }\n[tables]\ncolonies = "colonies.csv"\n'
    )
    record = rechallenge.run(folder)
    assert not record.failed
    row = record.tables["colony_survival"].iloc[0]
    assert row["effect"] == pytest.approx(1.5, abs=0.5) and row["p_value"] < 0.01
    assert "doi.org/10.1038/nprot.2006.339" in (outputs.write(record)["methods.md"]).read_text("utf-8")
    claim = record.evidence[record.evidence["analysis"] == "colony_survival"].iloc[0]
    assert (claim["entity"], claim["direction"], claim["source_rows"][:12]) == ("sorafenib", 1, "colonies.csv")
    assert [f.name for f in record.figures if f.name.startswith("colony")] == ["colony_curves"]


def test_its_numbers_are_those_of_the_paired_t_test(plugin: ModuleType) -> None:
    table = dishes(1)
    row = plugin.colony_survival(table, MODELS).iloc[0]
    total = table.groupby(["model", "dose_um", "replicate"])[["colonies", "seeded"]].sum()
    share = total["colonies"] / total["seeded"]
    log = {m: np.log2(share.loc[m, 5.0] / share.loc[m, 0.0]) for m in ("R", "P")}
    reference = stats.ttest_rel(log["R"], log["P"])
    assert (row["statistic"], row["p_value"]) == pytest.approx((reference.statistic, reference.pvalue))


def test_nothing_there_is_rarely_called_and_intervals_hold_the_truth(plugin: ModuleType) -> None:
    hits = sum(plugin.colony_survival(dishes(s, 0.0), MODELS)["p_value"].iloc[0] < 0.05 for s in range(150))
    made = [plugin.colony_survival(dishes(s), MODELS).iloc[0] for s in range(150)]
    missed = sum(not r["ci_low"] < 1.5 < r["ci_high"] for r in made)
    for found in (hits, missed):
        assert stats.binom.ppf(0.0005, 150, 0.05) <= found <= stats.binom.ppf(0.9995, 150, 0.05)


def test_rows_have_no_order(plugin: ModuleType) -> None:
    table = dishes(2)
    pd.testing.assert_frame_equal(
        plugin.colony_survival(table, MODELS), plugin.colony_survival(table.sample(frac=1, random_state=1), MODELS)
    )


def test_what_cannot_be_said_is_typed(plugin: ModuleType) -> None:
    one = plugin.colony_survival(dishes(n=1), MODELS)
    assert one["status"].tolist() == ["not_testable"] and one["p_value"].isna().all()
    assert plugin.colony_claims(one).empty
    evidence.check(plugin.colony_claims(plugin.colony_survival(dishes(), MODELS)))
    with pytest.raises(NotApplicable):
        plugin.colony_survival(dishes(), MODELS.head(1))


def test_the_page_shows_the_example_as_it_is() -> None:
    """Blocks of Python in CONTRIBUTING.md are passages of the example's file."""
    file = EXAMPLE.read_text("utf-8")
    shown = re.findall(r"^```python\n(.*?)^```", _contributing(), re.MULTILINE | re.DOTALL)
    assert shown
    for block in shown:
        for part in block.split("    ...\n"):
            assert part.strip() in file, part
