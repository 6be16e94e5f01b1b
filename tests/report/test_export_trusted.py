"""A chart drawn without validation, as a run draws it, has the bytes of one that is validated."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rechallenge.pipeline.execute import _trusted_charts
from rechallenge.report.theme import SINGLE, export, sized


def chart(**more: Any) -> Any:
    import altair as alt

    data = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2.0, 1.0, 3.0], "g": ["a", "b", "a"]})
    points = alt.Chart(data).mark_point(**more).encode(x="x:Q", y="y:Q", color="g:N", tooltip=["x", "y"])
    return sized(points.properties(width=120, height=80), SINGLE)


def test_the_same_bytes() -> None:
    checked = export("one", chart())
    with _trusted_charts():
        trusted = export("one", chart())
    assert trusted == checked


def test_outside_a_run_charts_are_validated() -> None:
    with pytest.raises(Exception, match="size"):
        export("one", chart(size="large"))
