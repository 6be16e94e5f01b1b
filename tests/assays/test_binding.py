"""Binding: what is a number, what a bound; mutants by equivalence; exports; docking."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.assays import binding as assay
from rechallenge.assays.binding.docking import read as read_docking
from rechallenge.assays.binding.reading import molar, octet, read
from rechallenge.evidence import check
from rechallenge.faults import InputFaults, NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.stats.langmuir import Cycle, unit_response
from rechallenge.study import TableSource
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": []})
C = np.array([0.0, 0.3, 1, 3, 10, 30, 100.0])


def equilibrium(kd: dict[str, float], n: int = 3, noise: float = 0.02, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {"protein": "AKR1B1", "variant": v, "ligand": "drug", "concentration_um": c, "replicate": f"e{r}",
         "response": (c / (k + c) if k > 0 else 0.0) + 0.1 + rng.normal(0, noise)}
        for v, k in kd.items() for r in range(n) for c in C for _ in range(2)
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(seconds=np.nan, phase="", cycle="", association_start=np.nan,
                                      association_end=np.nan, method="spr", _file="b.csv", _sheet="")  # fmt: skip
    table["_row"] = range(2, len(table) + 2)
    return table


def sensorgrams(ka: float = 0.02, kd: float = 0.02, n: int = 1, seed: int = 0, blank: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    t = np.arange(0.0, 421.0, 5.0)
    parts = []
    for r in range(n):
        for c in ([0.0] if blank else []) + [0.3, 1, 3, 10]:
            on = (t > 20) & (t <= 220)
            bare = Cycle(t, t, np.where(on, c, 0.0), 0.0)
            y = unit_response(ka, kd, bare) + 0.1 * np.sin(t / 60) * blank + rng.normal(0, 0.01, t.size)
            phase = np.select([t <= 20, on], ["baseline", "association"], "dissociation")
            parts.append(pd.DataFrame({"protein": "AKR1B1", "variant": "", "ligand": "drug", "concentration_um": c,
                                       "seconds": t, "response": y, "phase": phase, "cycle": f"c{c:g}",
                                       "replicate": str(r + 1)}))  # fmt: skip
    out = pd.concat(parts, ignore_index=True).assign(association_start=np.nan, association_end=np.nan, method="bli",
                                                     _file="s.csv", _sheet="")  # fmt: skip
    out["_row"] = range(2, len(out) + 2)
    return out


def test_kinetics_and_equilibrium_agree_and_blanks_are_subtracted() -> None:
    out = assay.binding(sensorgrams())
    table = out["binding"].set_index("method")
    assert table["status"].eq("estimated").all()
    kinetic = table.loc["kinetic"]
    assert kinetic["ci_low"] < 1.0 < kinetic["ci_high"] and kinetic["kd_per_s"] == pytest.approx(0.02, rel=0.1)
    assert kinetic["interval"] == "profile" and kinetic["n_cycles"] == 4
    assert table.loc["steady_state", "kd_um"] == pytest.approx(1.0, rel=0.2)
    assert kinetic["source_rows"] == f"s.csv:2-{len(sensorgrams()) + 1}"
    left = assay.binding(sensorgrams(), subtract_blank=False)["binding"].set_index("method")
    assert left.loc["kinetic", "r2"] < kinetic["r2"]


def test_methods_are_told() -> None:
    from rechallenge.analysis import step_of

    step = step_of(assay.binding)
    said = step.methods(assay.binding(sensorgrams()), **step.options) if callable(step.methods) else ""
    assert "Sensorgrams were fitted" in said and "within 3-fold" in said


def test_two_experiments_have_an_interval_over_experiments() -> None:
    row = assay.binding(sensorgrams(n=2))["binding"].set_index("method").loc["kinetic"]
    assert row["interval"] == "t over experiments" and row["n"] == 2 and row["ci_low"] < row["kd_um"] < row["ci_high"]


def test_injections_that_end_too_early_give_no_equilibrium() -> None:
    row = assay.binding(sensorgrams(ka=0.002, kd=0.002))["binding"].set_index("method").loc["steady_state"]
    assert row["status"] == "not_estimable" and "end before equilibrium" in row["reason"]


def test_what_lies_beyond_the_concentrations_is_a_bound() -> None:
    table = assay.binding(equilibrium({"wild type": 3.0, "weak": 400.0, "dead": 0.0}))["binding"].set_index("variant")
    assert table.loc["wild type", "status"] == "estimated" and table.loc["wild type", "kd_um"] == pytest.approx(
        3, rel=0.15
    )
    weak = table.loc["weak"]
    assert (
        weak["status"] == "censored" and np.isnan(weak["kd_um"]) and np.isinf(weak["ci_high"]) and weak["ci_low"] > 30
    )
    assert "lower bound" in weak["reason"]
    assert table.loc["dead", "status"] == "not_estimable" and "no binding seen" in table.loc["dead", "reason"]
    claims = check(
        assay.binding_claims(table.reset_index(), assay.binding(equilibrium({"wild type": 3}))["binding_mutants"])
    )
    told = claims.set_index("contrast")["claim"]
    assert told["drug on AKR1B1"].startswith("drug binds AKR1B1 with KD ")
    assert "KD > " in told["drug on AKR1B1 weak"]


def test_mutants_are_unchanged_only_by_equivalence() -> None:
    kd = {"WT": 3.0, "same": 3.3, "weaker": 30.0, "lost": 400.0}
    out = assay.binding(equilibrium(kd))
    mutants = out["binding_mutants"].set_index("variant")
    assert mutants["verdict"].to_dict() == {"lost": "weaker", "same": "unchanged", "weaker": "weaker"}
    assert mutants.loc["weaker", "ci_low"] < 10 < mutants.loc["weaker", "ci_high"]
    assert mutants.loc["lost", "status"] == "censored" and mutants.loc["lost", "ci_low"] > 3
    claims = check(assay.binding_claims(out["binding"], out["binding_mutants"]))
    assert claims["claim"].str.contains("unchanged within 3-fold").sum() == 1
    noisy = assay.binding(equilibrium({"WT": 3.0, "same": 3.0}, n=2, noise=0.3))["binding_mutants"]
    assert noisy["verdict"].iloc[0] != "unchanged", "a wide interval shows nothing, and is not 'unchanged'"
    one = assay.binding(equilibrium(kd, n=1))["binding_mutants"].set_index("variant")
    assert one.loc["weaker", "verdict"] == "weaker" and "within-experiment" in one.loc["weaker", "design"]
    other = assay.binding(equilibrium(kd), reference="weaker")["binding_mutants"].set_index("variant")
    assert other.loc["wild type", "verdict"] == "stronger"
    with pytest.raises(ValueError, match="margin"):
        assay.binding(equilibrium(kd), margin=0.5)


def test_rows_have_no_order_and_empty_tables_say_so() -> None:
    table = pd.concat([sensorgrams(), equilibrium({"A1B": 3.0})], ignore_index=True)
    first, again = assay.binding(table), assay.binding(table.sample(frac=1, random_state=3))
    for name, frame in first.items():
        pd.testing.assert_frame_equal(again[name], frame, rtol=1e-6)
    with pytest.raises(NotApplicable):
        assay.binding(table.iloc[:0])


def test_sensorgrams_without_phases_are_a_fault_and_no_number(tmp_path: Path) -> None:
    bare = sensorgrams().assign(phase="")
    out = assay.binding(bare)["binding"]
    assert out["status"].eq("not_estimable").all() and out["reason"].str.contains("when the ligand flows").all()
    (tmp_path / "b.csv").write_text("protein,ligand,concentration_um,seconds,response\nA,d,1,0,0.1\n", encoding="utf-8")
    assert "no-phase" in {f.code for f in read_table(assay.BINDING, "b.csv", folder=tmp_path).faults}


def test_figures() -> None:
    out = assay.binding(pd.concat([sensorgrams(), equilibrium({"weak": 2000.0})], ignore_index=True))
    assert "Time (s)" in json.dumps(specification(assay.binding_sensorgrams(out["binding_curves"])))
    assert export("i", assay.binding_isotherms(out["binding_curves"]))["png"]
    assert b"AKR1B1 weak, drug, steady state" in export("k", assay.binding_constants(out["binding"]))["csv"]
    assert assay.binding_sensorgrams(out["binding_curves"].iloc[:0]) is None


@pytest.mark.parametrize(
    ("heading", "um"),
    [
        ("Conc. 50 nM", 0.05),
        ("Conc..6.17e.1.nM.", 0.000617),
        ("2.5µM", 2.5),
        ("100 pM rep", 1e-4),
        ("Sample A", np.nan),
    ],
)
def test_headings_that_hold_a_concentration(heading: str, um: float) -> None:
    assert molar(heading) == pytest.approx(um, nan_ok=True)


def source(tmp_path: Path, **spec: object) -> tuple[pd.DataFrame, set[str]]:
    out = read(TableSource(**spec), tmp_path, assay.BINDING, MODELS)  # type: ignore[arg-type]
    return out.frame, {f.code for f in out.faults if f.severity != "note"}


def test_sensorgrams_side_by_side(tmp_path: Path) -> None:
    pd.DataFrame({"Time": [1, 2, 3], "50 nM": [0.0, 0.1, 0.2], "5 nM": [0.0, 0.0, 0.1]}).to_csv(
        tmp_path / "w.csv", index=False
    )
    frame, codes = source(tmp_path, values=["w.csv"], protein="A", ligand="d", association_start=1, association_end=2)
    assert (
        not codes and sorted(set(frame["concentration_um"])) == [0.005, 0.05] and frame["association_end"].eq(2).all()
    )
    assert source(tmp_path, values=["w.csv"], ligand="d")[1] == {"no-protein"}
    assert source(tmp_path, values=["w.csv"], protein="A", ligand="d", colour="red")[1] == {"study-key"}


def frd(conc: str, unit: str, molar: str = "-1") -> bytes:
    def step(kind: str, sample: str, t0: float, amount: str = "-1") -> str:
        x, y = (base64.b64encode(np.arange(t0, t0 + 5, dtype="<f4").tobytes()).decode() for _ in range(2))
        return (
            f"<Step><CommonData><SampleID>{sample}</SampleID><Concentration>{amount}</Concentration>"
            f"<ConcentrationUnits>{unit}</ConcentrationUnits><MolarConcentration>{molar if amount != '-1' else '-1'}"
            "</MolarConcentration><MolarConcUnits>nM</MolarConcUnits></CommonData>"
            f"<StepType>{kind}</StepType><AssayXData>{x}</AssayXData><AssayYData>{y}</AssayYData></Step>"
        )

    steps = [step("LOADING", "bait", 0), step("BASELINE", "buffer", 5), step("ASSOC", "prey", 10, conc),
             step("DISASSOC", "buffer", 15),
             step("BASELINE", "buffer", 20), step("ASSOC", "prey", 25, conc)]  # fmt: skip
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ExperimentResults><ExperimentInfo><SensorName>A1</SensorName>'
        f"</ExperimentInfo><KineticsData>{''.join(steps)}</KineticsData></ExperimentResults>"
    ).encode()


def test_octet_files(tmp_path: Path) -> None:
    frame = octet(frd("130", "µg/ml"), "a.frd", {}, 65.0)
    assert (
        set(frame["protein"]) == {"bait"} and set(frame["ligand"]) == {"prey"} and frame["concentration_um"].eq(2).all()
    )
    assert list(dict.fromkeys(frame["phase"])) == ["baseline", "association", "dissociation"]
    assert list(dict.fromkeys(frame["replicate"])) == ["1", "2"] and frame["seconds"].min() == 0
    assert octet(frd("130", "nM"), "a.frd", {}, np.nan)["concentration_um"].eq(0.13).all()
    assert octet(frd("130", "µg/ml", "500"), "a.frd", {}, np.nan)["concentration_um"].eq(0.5).all()
    with pytest.raises(InputFaults, match="molecular weight"):
        octet(frd("130", "µg/ml"), "a.frd", {}, np.nan)
    with pytest.raises(InputFaults, match="cut off"):
        octet(frd("130", "nM")[:-40], "a.frd", {}, np.nan)
    (tmp_path / "a.frd").write_bytes(frd("130", "nM"))
    made, codes = source(tmp_path, values=["*.frd"], protein="AKR1B1")
    assert not codes and set(made["protein"]) == {"AKR1B1"}


def test_a_real_octet_export(shared: Path, tmp_path: Path) -> None:
    """pykingenie 1.0.14 (concentrations taken as nM) on the wild type and imd: kinetic KD 6.449 nM with koff 2.358e-3
    per s (one Rmax per cycle, no drift), 19.603 nM (17.22 to 22.33) at the end of the association.

    Its settings are met with `drift` and `shared_rmax` off. With one Rmax and a drift, the defaults, the fit explains
    more of the signal and KD is 16 nM, near the steady state. By either the injections end before equilibrium at the
    lowest concentration, which by default is said instead of a number.
    """
    for path in (shared / "data" / "target" / "bli" / "octet").glob("*.frd"):
        (tmp_path / path.name).write_bytes(path.read_bytes().replace("µg/ml".encode(), b"nM"))
    frame, codes = source(tmp_path, values=["*.frd"])
    assert not codes
    some = frame[(frame["protein"] == "imd") & (frame["ligand"] == "wt")]
    asked = assay.binding(some, equilibrium=False, drift=False, shared_rmax=False)["binding"].set_index("method")
    kinetic, steady = asked.loc["kinetic"], asked.loc["steady_state"]
    assert kinetic["n_cycles"] == 7 and kinetic["ci_low"] < 0.006449 < kinetic["ci_high"]
    assert kinetic["kd_per_s"] == pytest.approx(2.358e-3, rel=0.2)
    assert steady["status"] == "estimated" and steady["kd_um"] == pytest.approx(0.019603, rel=0.04)
    assert steady["ci_low"] == pytest.approx(0.01722, rel=0.06) and steady["ci_high"] == pytest.approx(
        0.02233, rel=0.06
    )
    assert "end before equilibrium" in steady["reason"] and "too high" in steady["reason"]
    default = assay.binding(some)["binding"].set_index("method")
    assert default.loc["kinetic", "r2"] > kinetic["r2"] and default.loc["kinetic", "kd_um"] == pytest.approx(
        0.0161, rel=0.05
    )
    said = default.loc["steady_state"]
    assert said["status"] == "not_estimable" and np.isnan(said["kd_um"])
    assert "end before equilibrium" in said["reason"] and "would give 0.0202 µM" in said["reason"]


def test_a_biacore_workbook_and_its_unsaturated_fits(shared: Path, tmp_path: Path) -> None:
    """Biacore Insight's own affinities: 0.367 and 1.05 µM are sound; 10.1 and 19.3 µM (above the highest
    concentration of 5 µM, Rmax 3 and 5 RU) and 45 µM (Rmax 0.001 RU) are not, and are no numbers here."""
    name = "biacore_insight_affinity.xlsx"
    (tmp_path / name).write_bytes((shared / "data" / "bench" / "vendor" / name).read_bytes())
    frame, codes = source(tmp_path, values=[name])
    assert not codes and len(frame) == 45
    table = assay.binding(frame)["binding"].set_index("protein")
    for protein, kd in (("S1", 0.3667), ("S4", 1.0455)):
        assert table.loc[protein, "status"] == "estimated" and table.loc[protein, "kd_um"] == pytest.approx(
            kd, rel=0.08
        )
        assert table.loc[protein, "ci_low"] < kd < table.loc[protein, "ci_high"]
    assert table.loc[["S2", "S3"], "status"].eq("censored").all() and table.loc["S5", "status"] == "not_estimable"
    # without subtracting the blank, as the workbook does, its numbers are met closely
    raw = assay.binding(frame[frame["concentration_um"] > 0], subtract_blank=False)["binding"].set_index("protein")
    assert raw.loc["S1", "rmax"] == pytest.approx(78.19, rel=0.1)


def test_the_examples_keep_their_contracts(tmp_path: Path) -> None:
    for contract in (assay.BINDING, assay.DOCKING):
        (tmp_path / "x.csv").write_text(contract.example, encoding="utf-8")
        found = read_table(contract, "x.csv", folder=tmp_path)
        assert not [f for f in found.faults if f.severity in ("error", "warning")]


def test_docking_is_knowledge(tmp_path: Path) -> None:
    lines = ["MODEL 1", "REMARK VINA RESULT:    -9.4      0.000      0.000", "ENDMDL", "MODEL 2",
             "REMARK VINA RESULT:    -8.9      1.2      2.3", "ENDMDL"]  # fmt: skip
    (tmp_path / "epalrestat_out.pdbqt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "more.csv").write_text("protein,ligand,affinity\nAKR1B1,sorafenib,-7.1\n", encoding="utf-8")
    specs = (TableSource(values=["*.pdbqt"], protein="AKR1B1"), TableSource(values=["more.csv"]))  # type: ignore[call-arg]
    reads = [read_docking(one, tmp_path, assay.DOCKING, MODELS) for one in specs]
    assert not [f for r in reads for f in r.faults if f.severity == "error"]
    scores = pd.concat([r.frame for r in reads], ignore_index=True)
    out = assay.docking(scores)
    assert out["ligand"].tolist() == ["epalrestat", "sorafenib"] and out["score_kcal_mol"].tolist() == [-9.4, -7.1]
    assert out["n_poses"].tolist() == [2, 1] and out["source_rows"].iloc[0] == "epalrestat_out.pdbqt:2,5"
    claims = check(assay.docking_claims(out))
    assert set(claims["level"]) == {"knowledge"} and claims["p_value"].isna().all()
    with pytest.raises(NotApplicable):
        assay.docking(scores.iloc[:0])


@pytest.mark.slow
def test_a_mutant_like_the_wild_type_is_seldom_called_changed() -> None:
    verdicts = [
        assay.binding(equilibrium({"WT": 3.0, "same": 3.0}, noise=0.1, seed=s))["binding_mutants"]["p_value"].iloc[0]
        for s in range(120)
    ]
    assert np.mean(np.array(verdicts) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
