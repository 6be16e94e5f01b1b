"""What marks a function as a step, and what discovery finds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from rechallenge import analysis as marks
from rechallenge.analysis import Analysis, Split, discover, step_of, stream_of
from rechallenge.tables.contract import Column, Contract


@marks.analysis(title="A", reference="doi:10.1/x", methods="At {level}.", split=Split("viability", ("model",)))
def curves(viability: pd.DataFrame, models: pd.DataFrame | None = None, *, level: float = 0.5) -> pd.DataFrame:
    """Fit them."""
    return viability.assign(level=level)


def test_parameters_say_what_a_step_needs_wants_and_can_be_told() -> None:
    step = step_of(curves)
    assert (step.name, step.kind, step.needs, step.wants) == ("curves", "analysis", ("viability",), ("models",))
    assert step.options == {"level": 0.5}
    assert step.gives == ("curves",)
    assert step.reference == ("doi:10.1/x",)
    assert step.about == "Fit them."
    assert step.ref == f"{__name__}:curves"


def test_a_marked_function_is_still_a_plain_function() -> None:
    table = pd.DataFrame({"model": ["a"]})
    assert curves(table, level=0.9)["level"].tolist() == [0.9]
    assert step_of(curves)(table)["level"].tolist() == [0.5]


def test_claims_and_figures_have_their_kind() -> None:
    @marks.claims()
    def curve_claims(curves: pd.DataFrame) -> pd.DataFrame:
        return curves

    @marks.figure(title="Curves", caption="Points.")
    def curve_plot(curves: pd.DataFrame) -> None:
        return None

    assert (step_of(curve_claims).kind, step_of(curve_claims).title) == ("claims", "curve_claims")
    assert (step_of(curve_plot).kind, step_of(curve_plot).caption) == ("figure", "Points.")


def test_parameters_of_other_forms_are_refused() -> None:
    with pytest.raises(TypeError, match="put the option level after a star"):

        @marks.analysis(title="x")
        def one(viability: pd.DataFrame, level: float = 0.5) -> pd.DataFrame:
            return viability

    with pytest.raises(TypeError, match="option level needs a default"):

        @marks.analysis(title="x")
        def two(viability: pd.DataFrame, *, level: float) -> pd.DataFrame:
            return viability

    with pytest.raises(TypeError, match="not \\*others"):

        @marks.analysis(title="x")
        def three(*others: Any) -> pd.DataFrame:
            return others[0]


def test_an_unmarked_function_is_no_step() -> None:
    with pytest.raises(TypeError, match="'len' is not marked"):
        step_of(len)


@pytest.mark.parametrize(
    ("module", "stream"),
    [
        ("rechallenge.assays.dose_response", "dose_response"),
        ("rechallenge.assays.dose_response.claims", "dose_response"),
        ("rechallenge.clinical.survival", "survival"),
        ("other_lab.my_assay", "my_assay"),
    ],
)
def test_the_stream_is_the_file_of_the_assay(module: str, stream: str) -> None:
    assert stream_of(module) == stream


def test_discovery_is_sorted_and_every_step_can_be_found_again() -> None:
    registry = discover()
    assert list(registry.steps) == sorted(registry.steps)
    assert list(registry.contracts) == sorted(registry.contracts)
    for name, step in registry.steps.items():
        assert isinstance(step, Analysis)
        assert step.name == name
        assert step.title


def _module(name: str, **holds: object) -> Any:
    import types

    made = types.ModuleType(name)
    vars(made).update(holds)
    return made


def test_two_files_may_not_claim_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def again() -> Any:
        @marks.analysis(title="B")
        def curves(plates: pd.DataFrame) -> pd.DataFrame:
            return plates

        return curves

    monkeypatch.setattr(marks, "_modules", lambda: [_module("a", f=curves), _module("b", f=again())])
    with pytest.raises(ValueError, match="two steps are called curves"):
        discover.__wrapped__()
    kinds = [Contract("k", "about", (Column("x", "y"),)), Contract("k", "other", (Column("x", "y"),))]
    monkeypatch.setattr(marks, "_modules", lambda: [_module("a", c=kinds[0]), _module("b", c=kinds[1])])
    with pytest.raises(ValueError, match="two contracts are called k"):
        discover.__wrapped__()
    monkeypatch.setattr(marks, "_modules", lambda: [_module("a", f=curves), _module("b", f=curves)])
    registry = discover.__wrapped__()
    assert list(registry.steps) == ["curves"]
    giver = registry.giver("curves")
    assert giver is not None
    assert giver.name == "curves"
    assert registry.giver("synergy") is None


def test_finding_all_steps_and_planning_loads_no_engine_reader_or_plotting_library() -> None:
    code = (
        "import sys\n"
        "from rechallenge import outputs, pipeline\n"
        "from rechallenge.analysis import discover\n"
        "registry = discover()\n"
        "pipeline.plan(registry, registry.contracts)\n"
        "heavy = ('allotropy', 'numba', 'altair', 'vl_convert', 'jinja2', 'distributed')\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "[]"
