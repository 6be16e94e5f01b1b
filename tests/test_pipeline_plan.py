"""Which steps a study allows, in what order, with which options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from rechallenge import analysis as marks
from rechallenge.analysis import Analysis, Registry, step_of
from rechallenge.pipeline import PlanError, plan
from rechallenge.pipeline.options import options
from rechallenge.pipeline.plan import make
from rechallenge.study import Study


def step(name: str, needs: str = "", wants: str = "", gives: str = "", kind: Any = "analysis", **more: Any) -> Analysis:
    def run() -> None:
        return None

    module = more.pop("module", "toy.stream")
    return Analysis(
        name=name,
        kind=kind,
        run=run,
        title=name,
        needs=tuple(needs.split()),
        wants=tuple(wants.split()),
        gives=tuple(gives.split()) or (name,),
        module=module,
        **more,
    )


def registry(*steps: Analysis) -> Registry:
    return Registry({s.name: s for s in steps}, {})


def names(*steps: Analysis, have: str = "viability", only: tuple[str, ...] = ()) -> list[str]:
    return [s.name for s in plan(registry(*steps), have.split(), only)]


def test_a_step_comes_after_what_it_uses_and_only_where_its_needs_are_met() -> None:
    steps = (
        step("ri", "curves models"),
        step("curves", "viability"),
        step("lonely", "combination"),
        step("after_lonely", "lonely"),
        step("plot", "ri", kind="figure"),
    )
    assert names(*steps) == ["curves", "ri", "plot"]
    assert names(*steps, have="") == []


def test_what_a_step_wants_is_waited_for_but_not_needed() -> None:
    assert names(step("a", "viability", wants="b"), step("b", "viability")) == ["b", "a"]
    assert names(step("a", "viability", wants="b")) == ["a"]


def test_a_step_with_wants_alone_runs_when_one_of_them_is_there() -> None:
    either = step("wells", wants="plates viability")
    assert names(either) == ["wells"]
    assert names(either, have="plates") == ["wells"]
    assert names(either, have="") == []
    assert names(step("models_only", "models"), have="") == ["models_only"]


def test_all_claims_become_the_table_evidence() -> None:
    steps = (
        step("curves", "viability"),
        step("curve_claims", "curves", kind="claims"),
        step("screen_claims", "screen", kind="claims"),
        step("candidates", "evidence"),
    )
    assert names(*steps) == ["curves", "curve_claims", "evidence", "candidates"]
    assert names(*steps, have="") == []


def test_only_takes_a_step_or_a_stream_with_what_it_uses() -> None:
    steps = (
        step("curves", "viability"),
        step("quality", "viability"),
        step("ri", "curves", wants="quality", module="rechallenge.assays.dose_response.claims"),
        step("synergy", "combination"),
    )
    assert names(*steps, only=("curves",)) == ["curves"]
    assert names(*steps, only=("dose_response",)) == ["curves", "quality", "ri"]
    with pytest.raises(PlanError, match=r"no analysis and no stream is called 'curvs'. Did you mean 'curves'\?"):
        names(*steps, only=("curvs",))
    with pytest.raises(PlanError, match="this study has no table for synergy; it takes combination"):
        names(*steps, only=("synergy",))


def test_what_cannot_be_ordered_is_said_in_words() -> None:
    with pytest.raises(PlanError, match=r"need each other's results: (a -> b -> a|b -> a -> b)"):
        names(step("a", "b"), step("b", "a"))
    with pytest.raises(PlanError, match=r"two steps give the table curves: toy.stream:run and toy.stream:run"):
        names(step("a", "viability", gives="curves"), step("b", "viability", gives="curves"))
    with pytest.raises(PlanError, match="gives a table models, a name that every study has"):
        names(step("models", "viability"))
    with pytest.raises(PlanError, match="the name evidence is taken"):
        names(step("evidence", "viability"), step("c", "viability", kind="claims"))


def test_a_result_may_bear_the_name_of_its_own_table_kind() -> None:
    steps = (
        step("qpcr", "qpcr"),
        step("qpcr_claims", "qpcr", kind="claims"),
        step("qpcr_plot", "qpcr qpcr_table", kind="figure"),
        step("quality", "qpcr_table"),
    )
    made = make(registry(*steps), ["qpcr"])
    by_name = {s.name: s for s in made.steps}
    assert made.after["qpcr"] == frozenset(), "its own step takes the table as read"
    assert made.after["qpcr_claims"] == made.after["qpcr_plot"] == {"qpcr"}, "every other the result"
    assert made.after["quality"] == frozenset(), "and qpcr_table is the table as read for all"
    assert made.giver(by_name["qpcr"], "qpcr") is None
    assert made.giver(by_name["qpcr_plot"], "qpcr") == "qpcr"
    assert [s.name for s in plan(registry(*steps), ["viability"])] == []


@marks.analysis(title="x")
def fit(
    viability: pd.DataFrame,
    *,
    level: float = 0.5,
    robust: bool = False,
    n_boot: int = 200,
    seed: int = 0,
    method: Literal["bliss", "loewe"] = "bliss",
    top: float | None = None,
    drugs: tuple[str, ...] = (),
    window: tuple[float, float] = (0.1, 0.9),
    label: str = "none",
    untyped=None,  # type: ignore[no-untyped-def]
) -> pd.DataFrame:
    return viability


@marks.analysis(title="y")
def other(viability: pd.DataFrame, *, level: float = 0.1, seed: int = 7) -> pd.DataFrame:
    return viability


def told(seed: int = 0, **sections: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    study = Study(Path(), "t", seed=seed, options=sections)
    used, faults = options(study, registry(step_of(fit), step_of(other)))
    assert all(f.file == "study.toml" and f.severity == "error" for f in faults)
    return used, [f"{f.column}: {f.message} {f.remedy}" for f in faults]


def test_options_start_from_the_defaults_and_the_study_s_seed() -> None:
    used, faults = told(seed=11)
    assert faults == []
    assert used["fit"]["level"] == 0.5
    assert used["fit"]["seed"] == 11
    assert used["other"]["seed"] == 7


def test_a_section_of_a_stream_is_for_all_its_steps_and_that_of_a_step_goes_first() -> None:
    used, faults = told(test_pipeline_plan={"level": 0.9}, fit={"level": 0.2, "seed": 3}, other={"seed": 0})
    assert faults == []
    assert (used["fit"]["level"], used["other"]["level"]) == (0.2, 0.9)
    assert (used["fit"]["seed"], used["other"]["seed"]) == (3, 0)


def test_values_take_the_form_that_the_function_expects() -> None:
    used, faults = told(
        fit={"drugs": ["a"], "window": [0, 1], "top": 2, "method": "loewe", "robust": True, "untyped": 3, "n_boot": 5}
    )
    assert faults == []
    assert used["fit"]["drugs"] == ("a",)
    assert used["fit"]["window"] == (0.0, 1.0)
    assert (used["fit"]["top"], used["fit"]["method"], used["fit"]["untyped"]) == (2.0, "loewe", 3)


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        ("fit", "levl", 1, "options.fit.levl: fit has no such option. Known here: drugs, label, level, "),
        ("fit", "levl", 1, "Did you mean 'level'?"),
        ("fits", "level", 1, "options.fits: no analysis and no stream has this name. See `rechallenge list`. Did you"),
        ("fit", "level", "0.5", "options.fit.level: this must be a number. The default is 0.5."),
        ("fit", "level", True, "this must be a number"),
        ("fit", "level", float("nan"), "this must be a number"),
        ("fit", "robust", 1, "this must be true or false, without quotes. The default is false."),
        ("fit", "n_boot", 1.5, "this must be a whole number"),
        ("fit", "n_boot", True, "this must be a whole number"),
        ("fit", "label", 3, 'this must be text in quotes. The default is "none".'),
        ("fit", "method", "blis", 'this must be one of "bliss", "loewe". The default is "bliss". Did you mean'),
        ("fit", "top", "x", "this must be a number. The default is not set."),
        ("fit", "drugs", "a", "this must be a list [ ... ]. The default is []."),
        ("fit", "drugs", [1], "this must be a list, each of it text in quotes"),
        ("fit", "window", [0.1], "this must be a list of 2 values. The default is [0.1, 0.9]."),
        ("test_pipeline_plan", "robusst", True, "test_pipeline_plan has no such option"),
    ],
)
def test_faults_of_options_say_what_is_wanted(section: str, name: str, value: Any, says: str) -> None:
    _, faults = told(**{section: {name: value}})
    assert len(faults) == 1
    assert says in faults[0]


@pytest.mark.parametrize("level", [5, -1, 0, 1.0])
def test_a_fraction_lies_between_0_and_1(level: float) -> None:
    assert told(fit={"level": level})[1] == ["options.fit.level: this must be between 0 and 1. The default is 0.5."]


def test_all_faults_of_all_options_are_reported_at_once() -> None:
    _, faults = told(fit={"levl": 1, "robust": "yes"}, nothing={"a": 1})
    assert len(faults) == 3
