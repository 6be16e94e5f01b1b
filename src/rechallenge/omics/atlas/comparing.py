"""One contrast of one data set: its linear model, and what the footprints say in it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge import contrasts as comparisons
from rechallenge.contrasts import Comparison
from rechallenge.moderated_contrasts import blocks_of, design_of
from rechallenge.omics.atlas import footprints, layers
from rechallenge.omics.atlas.layers import Layer, Samples
from rechallenge.stats.rotation import Projected, any_effect, project, rotate
from rechallenge.tables.contract import source_rows

Floats = NDArray[np.float64]


class OneContrast:
    """One comparison of one data set: who is in it, the linear model, and why there is none (`reason`)."""

    def __init__(
        self,
        dataset: str,
        data: Samples,
        comparison: Comparison,
        models: pd.DataFrame,
        weights: Floats,
        against: Floats,
        block: str,
    ):
        self.dataset, self.data, self.comparison = dataset, data, comparison
        self.weights, self.against = weights, against
        self.resistance = comparisons.direction(comparison, models)
        sheet = data.sheet
        test = comparisons.members(sheet, comparison.group)
        reference = comparisons.members(sheet, comparison.reference)
        self.n_test, self.n_reference = int(test.sum()), int(reference.sum())
        self.member = test | reference
        design, column, _ = design_of(sheet, block)
        c = np.zeros(design.shape[1])
        for group, sign in ((comparison.group, 1.0), (comparison.reference, -1.0)):
            c[column[group.model, group.treatment, group.stage]] += sign
        self.model, self.reason = _model(data.y, design, c)

    @property
    def n(self) -> int:
        return self.n_test + self.n_reference

    @property
    def df(self) -> float:
        return float(self.model.df) if self.model else np.nan

    @property
    def label(self) -> str:
        return self.comparison.contrast


def _model(y: Floats, design: Floats, contrast: Floats) -> tuple[Projected | None, str]:
    """The contrast in a linear model of all samples, or why there is none."""
    spare = len(design) - int(np.linalg.matrix_rank(design))
    if spare < 2:
        left = f"leave {spare} residual degrees of freedom (2 needed)"
        return None, f"{len(design)} biological replicates in all {left}"
    if np.abs(contrast @ np.linalg.pinv(design) @ design - contrast).max() > 1e-8:
        return None, "the groups that are compared lie in different blocks (batches or experiments)"
    return project(y, design, contrast), ""


def metabolite_layer(one: OneContrast, weights: Floats, n_rotations: int, seed: int) -> tuple[Layer, Floats]:
    if one.model is None:
        return layers.nothing(one.reason), np.full(len(weights), np.nan)
    turned = rotate(one.model, weights, n_rotations=n_rotations, seed=seed)
    return Layer(turned.score, turned.p_up, turned.p_down, ("",) * len(weights)), turned.score


def anything(one: OneContrast, n_rotations: int, seed: int) -> float:
    """p-value of "no footprint changes" in the contrast; nan where it cannot be tested."""
    if one.model is None or not one.weights.any():
        return float("nan")
    return any_effect(one.model, one.weights, n_rotations=n_rotations, seed=seed)


def stage_layer(one: OneContrast, n_rotations: int, seed: int) -> Layer:
    """Trend of the footprints over the stages of the model that is tested, vehicle alone; needs three stages."""
    sheet = one.data.sheet
    mine = (sheet["model"] == one.comparison.model) & (sheet["treatment"] == one.comparison.group.treatment)
    number = sheet["stage"].map(stage_number)
    mine &= number.notna()
    if one.comparison.kind == "treatment" or number[mine].nunique() < 3:
        return layers.nothing("no three stages")
    level = number[mine].to_numpy(float)
    stages = np.column_stack([np.ones(len(level)), level])
    numbers, _ = blocks_of(sheet[mine].reset_index(drop=True), "auto")
    if numbers is not None:
        stages = np.hstack([stages, np.eye(numbers.max() + 1)[numbers][:, 1:]])
    contrast = np.zeros(stages.shape[1])
    contrast[1] = 1.0
    model, reason = _model(one.data.y[mine.to_numpy()], stages, contrast)
    if model is None:
        return layers.nothing(reason)
    turned = rotate(model, one.weights, n_rotations=n_rotations, seed=seed)
    return Layer(turned.score, turned.p_up, turned.p_down, ("",) * len(one.weights))


def stage_number(stage: str) -> float:
    """The number in the name of a stage; nan where there is none.

    >>> stage_number("S3"), stage_number("2.5 µM")
    (3.0, 2.5)
    """
    found = re.search(r"\d+(?:\.\d+)?", str(stage))
    return float(found[0]) if found else float("nan")


def product_change(one: OneContrast) -> tuple[Floats, Floats, Floats]:
    """Mean log2 change of the measured main products of each enzyme, with its 95 % t interval."""
    averages = (one.weights == footprints.PRODUCT).astype(float)
    count = averages.sum(axis=1)
    if one.model is None:
        empty = np.full(len(averages), np.nan)
        return empty, empty, empty
    mean = one.model.effects @ (averages / np.maximum(count, 1)[:, None]).T
    effect = np.where(count > 0, one.model.scale * mean[0], np.nan)
    se = one.model.scale * np.sqrt(np.sum(mean[1:] ** 2, axis=0) / one.model.df)
    reach = stats.t.ppf(0.975, one.model.df) * se
    return effect, effect - reach, effect + reach


def specificity(one: OneContrast, score: Floats, n: int, seed: int) -> Floats:
    """Share of footprints laid over other measured metabolites that score at least as far from zero."""
    if one.model is None:
        return np.full(len(score), np.nan)
    t = one.model.statistic
    length = np.linalg.norm(one.weights, axis=1)
    w = one.weights / np.where(length == 0, 1.0, length)[:, None]
    rng = np.random.default_rng([seed, 1])
    shuffled = np.column_stack([rng.permutation(t) for _ in range(n)]) if n else np.empty((len(t), 0))
    beyond = (np.abs(w @ shuffled) >= np.abs(score)[:, None] - 1e-12).sum(axis=1)
    return np.where(length == 0, np.nan, (beyond + 1) / (n + 1))


def footprint_words(one: OneContrast, i: int) -> str:
    """`sorbitol +1.20, fructose +0.83 (next)`: the measured footprint with log2 changes."""
    if one.model is None:
        return ""
    change = one.model.effect
    said = []
    for column in sorted(np.flatnonzero(one.weights[i]), key=lambda c: (-one.weights[i, c], one.data.features[c])):
        note = " (next)" if one.weights[i, column] == footprints.NEXT else ""
        size = f"{change[column]:+.2f}".replace("-", "−")
        said.append(f"{one.data.features[column]} {size}{note}")
    return ", ".join(said)


def origin_of(one: OneContrast, columns: NDArray[np.int64]) -> str:
    places = [p for c in columns for p in one.data.origin[c]]
    return source_rows([f for f, _ in places], [r for _, r in places]) if places else ""
