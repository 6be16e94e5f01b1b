"""What a treatment moves back, in cells and in animals: the shape of the lefamulin study, its nulls, its pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics import expression as ex
from rechallenge.omics.expression.reversal import PARENT, RESISTANT, VITRO, VIVO, agent_of, systems
from rechallenge.report.theme import specification
from rechallenge.study import Model, Study, TableSource
from rechallenge.tables.reading import read_study

MODELS = pd.DataFrame(
    [
        ("HepG2", "parental", "", "", ""),
        ("HepG2 SR", "resistant", "HepG2", "", ""),
        ("HepG2 SR xenograft", "resistant", "HepG2", "HepG2 SR", ""),
    ],
    columns=["model", "role", "parent", "cell_line", "note"],
)
BOTH, ONE = "sorafenib + lefamulin", "sorafenib"
SD = 0.35
#: raised in SR and lowered by lefamulin in both; lowered in both but not raised; moved back in one system; raised alone
GENES = {
    "MRPL12": (1.6, -1.4, -1.3), "SNHG19": (0.0, -1.5, -1.5), "NTHL1": (1.6, 0.0, -1.5), "CAV1": (2.0, 0.0, 0.0),
    "DOWN": (-1.8, 1.5, 1.5), "ILF3": (0.0, 0.0, 0.0), "MRPL10": (0.0, 0.0, 0.0), "MRPL11": (0.0, 0.0, 0.0),
}  # fmt: skip


def contrast(
    means: dict[tuple[str, str], np.ndarray], one: tuple[str, str], two: tuple[str, str], dataset: str, kind: str,
    n: int, names: list[str],
) -> pd.DataFrame:  # fmt: skip
    """A contrast of two groups from their means [genes] of `n` samples with a standard deviation of `SD`."""
    effect = means[one] - means[two]
    se = SD * np.sqrt(2 / n)
    z = effect / se
    p = 2 * stats.norm.sf(np.abs(z))
    same = one[0] == two[0]
    label = f"{one[0]}: {one[1]} vs {two[1]}" if same else f"{one[0]} vs {two[0]}"
    return pd.DataFrame(
        {
            "dataset": dataset, "layer": "rna", "contrast": label, "kind": kind, "model": one[0], "treatment": one[1],
            "stage": "", "against": two[0], "against_treatment": two[1], "against_stage": "", "feature": names,
            "gene": names, "log2fc": effect, "se": se, "statistic": z, "p_value": p, "q_value": p, "n": 2 * n,
            "n_test": n, "n_reference": n,
        }
    )  # fmt: skip


def lefamulin(seed: int = 0, features: int = 800, effects: dict[str, tuple[float, float, float]] = GENES, n: int = 4):
    """Cells: HepG2, HepG2 SR under vehicle, sorafenib, both. Xenografts of HepG2 SR without a parent: the last two."""
    rng = np.random.default_rng(seed)
    names = [*effects, *(f"G{i}" for i in range(features - len(effects)))]
    truth = np.zeros((features, 3))
    truth[: len(effects)] = list(effects.values())
    noise = SD / np.sqrt(n)
    line, tumour = "HepG2 SR", "HepG2 SR xenograft"
    base = {
        ("HepG2", "vehicle"): 0 * truth[:, 0], (line, "vehicle"): truth[:, 0], (line, ONE): truth[:, 0],
        (line, BOTH): truth[:, 0] + truth[:, 1], (tumour, ONE): truth[:, 0], (tumour, BOTH): truth[:, 0] + truth[:, 2],
    }  # fmt: skip
    means = {k: v + noise * rng.normal(size=features) for k, v in base.items()}
    return pd.concat(
        [
            contrast(means, (line, "vehicle"), ("HepG2", "vehicle"), "cells", "resistance", n, names),
            contrast(means, (line, BOTH), (line, ONE), "cells", "combination", n, names),
            contrast(means, (line, ONE), (line, "vehicle"), "cells", "treatment", n, names),
            contrast(means, (tumour, BOTH), (tumour, ONE), "tumours", "combination", n, names),
        ],
        ignore_index=True,
    )


def test_mrpl12_is_moved_back_by_lefamulin_in_cells_and_in_xenografts():
    out = ex.reversal(lefamulin(), MODELS, n_permutations=200)
    both = out["reversal_systems"].set_index("gene")
    assert set(both["agent"]) == {"lefamulin"}
    assert both.index[both["q_value"] < 0.05].tolist() == ["DOWN", "MRPL12"]
    assert both.loc["MRPL12", "direction"] == 1 and both.loc["DOWN", "direction"] == -1
    table = out["reversal"]
    by = {s: t.set_index("gene") for s, t in table[table["agent"] == "lefamulin"].groupby("system")}
    assert set(by) == {VITRO, VIVO}
    assert by[VIVO].loc["NTHL1", "q_value"] < 0.05 < by[VITRO].loc["NTHL1", "q_value"]
    for system in by:
        assert by[system].loc["SNHG19", "q_value"] > 0.05  # the drug lowers it, resistance had not raised it
        assert by[system].loc["CAV1", "q_value"] > 0.05
    # tumours without a parent of their own: the resistance of their line in cells
    assert set(by[VIVO]["resistance_dataset"]) == {"cells"} and set(by[VIVO]["dataset"]) == {"tumours"}
    assert set(by[VIVO]["treated"]) == {RESISTANT}


def test_both_agreeing_is_the_stronger_claim():
    out = ex.reversal(lefamulin(), MODELS, n_permutations=50)
    claims = evidence.check(ex.reversal_claims(out["reversal"], out["reversal_systems"]))
    mine = claims[(claims["entity"] == "MRPL12") & claims["contrast"].str.contains("lefamulin")]
    assert sorted(mine["level"]) == ["association", "in_vivo", "in_vivo"]
    joint = mine[mine["source_table"] == "reversal_systems"].iloc[0]
    assert "in cells" in joint["claim"] and "in animals" in joint["claim"] and joint["direction"] == 1
    assert np.isnan(joint["p_value"])  # said in the sentence; both sides count already
    nthl1 = claims[claims["entity"] == "NTHL1"]
    assert set(nthl1["level"]) == {"in_vivo"} and not nthl1["source_table"].eq("reversal_systems").any()
    assert "SNHG19" not in set(claims["entity"])
    assert specification(ex.reversal_map(out["reversal"], out["connectivity"]))


def test_a_sheet_tells_tumours_from_cells_and_goes_before_the_name():
    sheet = pd.DataFrame({"dataset": ["t", "t", "c"], "model": ["A", "A", "A"], "system": ["tumour", "xenograft", ""]})
    where = systems(pd.DataFrame({"model": ["A", "B PDX"], "note": ["", ""]}), sheet, None)
    assert where == {("", "A"): VITRO, ("", "B PDX"): VIVO, ("t", "A"): VIVO}
    organoid = pd.DataFrame({"dataset": ["o"], "model": ["B PDX"], "system": ["tumour organoid"]})
    assert systems(None, organoid)["o", "B PDX"] == VITRO
    # one model name in two data sets, told apart by the sheet alone
    table = lefamulin().replace({"model": {"HepG2 SR xenograft": "HepG2 SR"}, "against": {
        "HepG2 SR xenograft": "HepG2 SR"}})  # fmt: skip
    told = pd.DataFrame({"dataset": ["tumours"], "model": ["HepG2 SR"], "system": ["xenograft"]})
    out = ex.reversal(table, MODELS, told, n_permutations=20)
    assert set(out["reversal"]["system"]) == {VITRO, VIVO} and len(out["reversal_systems"])
    assert set(ex.reversal(table, MODELS, n_permutations=20)["reversal"]["system"]) == {VITRO}


def test_cells_and_tumours_in_one_group_are_a_fault(tmp_path: Path):
    (tmp_path / "m.csv").write_text("gene,a,b,c,d\nA,1,2,3,4\nB,5,6,7,8\nC,3,2,1,9\n")
    sheet = "sample,model,replicate,system\na,P,1,cells\nb,P,2,xenograft\nc,P,3,cells\nd,P,4,xenograft\n"
    (tmp_path / "s.csv").write_text(sheet)
    source = TableSource(values=["m.csv"], samples="s.csv", unit="log2")
    study = Study(folder=tmp_path, title="t", models={"P": Model(role="parental")}, tables={"expression": (source,)})
    found = read_study(study, {"expression": ex.EXPRESSION})
    (fault,) = [f for f in found.faults if f.code == "two-systems"]
    assert fault.severity == "error" and fault.row == 2 and "a model of their own" in fault.remedy


def test_what_an_agent_is():
    assert agent_of("sorafenib + lefamulin", "sorafenib") == "lefamulin"
    assert agent_of("lefamulin+sorafenib", "vehicle") == "lefamulin + sorafenib"
    assert agent_of("Lefamulin and Sorafenib", "sorafenib") == "Lefamulin"


def test_only_samples_that_are_shared_induce_correlation():
    """The control of the treatment is the resistant line: -.5. Both drugs against one share none of the samples."""
    out = ex.reversal(lefamulin(), MODELS, n_permutations=20)["connectivity"].set_index("treatment")
    rho = out["correlation_by_design"]
    assert rho["HepG2 SR: sorafenib vs vehicle"] == pytest.approx(-0.5)
    assert rho[f"HepG2 SR: {BOTH} vs sorafenib"] == 0
    n = ex.reversal(lefamulin(), MODELS, n_permutations=20)["reversal"].groupby("treatment")["n"].first()
    assert n["HepG2 SR: sorafenib vs vehicle"] == 12 and n[f"HepG2 SR: {BOTH} vs sorafenib"] == 16


def test_where_no_resistant_model_was_treated_the_parent_stands_in_and_is_named():
    table = lefamulin()
    sorafenib = table["contrast"].str.startswith("HepG2 SR:")
    parent = table.copy()
    parent.loc[sorafenib, ["model", "against"]] = "HepG2"
    parent.loc[sorafenib, "contrast"] = parent.loc[sorafenib, "contrast"].str.replace("HepG2 SR:", "HepG2:")
    out = ex.reversal(parent, MODELS, n_permutations=20)
    cells = out["reversal"].query("system == @VITRO")
    assert set(cells["treated"]) == {PARENT} and len(out["reversal_systems"])
    claims = ex.reversal_claims(out["reversal"])
    assert claims.loc[claims["level"] == "association", "claim"].str.contains("the parent was treated").all()
    both = pd.concat([table, parent[sorafenib]], ignore_index=True)
    again = ex.reversal(both, MODELS, n_permutations=20)["reversal"]
    assert set(again["treated"]) == {RESISTANT}  # where both were, the resistant line speaks
    with pytest.raises(NotApplicable, match="treated"):
        ex.reversal(table[table["kind"] == "resistance"], MODELS)


def test_nothing_planted_is_moved_back_in_neither():
    """Twenty studies without an effect: per gene p < .05 in far fewer than 5 %, hardly a call, scores around 0."""
    below, called, scores, sure = [], 0, [], 0
    for seed in range(20):
        out = ex.reversal(lefamulin(seed, 400, {"X": (0.0, 0.0, 0.0)}), MODELS, n_permutations=99)
        below.append([(out[t]["p_value"] < 0.05).mean() for t in ("reversal", "reversal_systems")])
        called += any((out[t]["q_value"] < 0.05).any() for t in ("reversal", "reversal_systems"))
        scores += out["connectivity"]["score"].tolist()
        sure += int((out["connectivity"]["p_value"] < 0.05).sum())
    assert (np.mean(below, axis=0) < [0.05, 0.01]).all() and called <= 2
    assert abs(np.mean(scores)) < 0.02 and sure <= stats.binom.ppf(0.999, len(scores), 0.05)


def test_a_planted_signature_scores_high_in_both_systems():
    effects = {f"M{i}": (s * 1.5, -s * 1.2, -s * 1.2) for i, s in enumerate([1, -1] * 40)}
    out = ex.reversal(lefamulin(1, 400, effects), MODELS, n_permutations=199)["connectivity"]
    score = out[out["agent"] == "lefamulin"].set_index("system")
    assert (score["score"] > 0.15).all() and (score["p_value"] == 1 / 200).all()


def test_rows_in_another_order_change_nothing():
    table = lefamulin()
    one = ex.reversal(table, MODELS, n_permutations=20)
    two = ex.reversal(table.sample(frac=1, random_state=0), MODELS, n_permutations=20)
    for name, frame in one.items():
        by = [c for c in ("layer", "system", "agent", "treatment", "feature", "gene") if c in frame]
        pd.testing.assert_frame_equal(
            frame.sort_values(by, ignore_index=True), two[name].sort_values(by, ignore_index=True), atol=0.3
            if name == "connectivity" else 1e-12,
        )  # fmt: skip


@pytest.mark.slow
def test_rates_of_reversal_in_both_systems():
    """The lefamulin shape 100 times: the gene moved back in both is called in three of four studies or more, those
    moved back in one, lowered alone or raised alone never in both; nothing there: connectivity rejects as it should."""
    found = wrong = 0
    for seed in range(100):
        both = ex.reversal(lefamulin(seed), MODELS, n_permutations=9)["reversal_systems"].set_index("gene")
        found += both.loc["MRPL12", "q_value"] < 0.05
        wrong += bool((both.loc[["SNHG19", "NTHL1", "CAV1", "ILF3", "MRPL10", "MRPL11"], "q_value"] < 0.05).any())
    assert found >= 75 and wrong == 0
    p = []
    for seed in range(100):
        table = lefamulin(seed, 400, {"X": (0.0, 0.0, 0.0)})
        p += ex.reversal(table, MODELS, n_permutations=99)["connectivity"]["p_value"].tolist()
    assert (np.array(p) <= 0.05).sum() <= stats.binom.ppf(0.9995, len(p), 0.05)
