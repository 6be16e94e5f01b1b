"""Linear mixed models: exact cases, other software, invariances, refusals."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.stats import mixed


def trial(
    seed: int = 0, n: int = 6, days: int = 6, arms: int = 2, sd: tuple[float, float, float] = (0.3, 0.05, 0.1)
) -> pd.DataFrame:
    """Balanced growth curves: columns subject, arm, t, y."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm in range(arms):
        for i in range(n):
            start, slope = rng.normal(5, sd[0]), rng.normal(0.3 - 0.05 * arm, sd[1])
            rows += [(f"{arm}-{i}", arm, float(t), start + slope * t + rng.normal(0, sd[2])) for t in range(days)]
    return pd.DataFrame(rows, columns=["subject", "arm", "t", "y"])


def design(table: pd.DataFrame, per_arm: bool = False) -> tuple[np.ndarray, np.ndarray]:
    t, arm = table["t"].to_numpy(), pd.get_dummies(table["arm"]).to_numpy(float)
    one = np.ones((len(t), 1))
    return np.hstack([arm if per_arm else one, arm * t[:, None]]), np.hstack([one, t[:, None]])


def fitted(table: pd.DataFrame, per_arm: bool = False) -> mixed.Fit:
    return mixed.fit(table["y"], *design(table, per_arm), table["subject"].to_numpy())


def test_balanced_data_give_the_pooled_t_test_of_slopes_exactly() -> None:
    """With complete data and an intercept per arm the contrast of slopes is the t test of per-subject slopes."""
    table = trial()
    found = fitted(table, per_arm=True).contrast([0, 0, -1, 1])
    slopes = mixed.slopes(table["y"], table["t"], table["subject"].to_numpy())
    groups = [[v for s, v in slopes.items() if s.startswith(f"{arm}-")] for arm in (0, 1)]
    exact = stats.ttest_ind(groups[1], groups[0])
    assert found.statistic == pytest.approx(exact.statistic, rel=1e-5)
    assert found.df == pytest.approx(10, rel=1e-5)
    assert found.p_value == pytest.approx(exact.pvalue, rel=1e-4)
    limits = exact.confidence_interval()
    assert (found.ci_low, found.ci_high) == pytest.approx((limits.low, limits.high), rel=1e-4)


def test_agrees_with_statsmodels_on_unbalanced_data() -> None:
    import statsmodels.formula.api as smf

    table = trial(seed=3, n=9, arms=3).sample(frac=0.8, random_state=1)
    found = fitted(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("y ~ t:C(arm)", table, groups="subject", re_formula="~t")
        other = model.fit(reml=True, method=["powell", "lbfgs"])
    assert found.beta == pytest.approx(other.fe_params.to_numpy(), abs=2e-4)
    assert found.cov_random == pytest.approx(other.cov_re.to_numpy(), rel=0.03, abs=1e-4)
    assert found.sigma2 == pytest.approx(other.scale, rel=0.01)
    plain = np.sqrt(np.diag(found.inference.cov))
    assert plain == pytest.approx(other.bse_fe.to_numpy(), rel=0.01)
    assert np.all(np.sqrt(np.diag(found.inference.adjusted)) >= plain * (1 - 1e-9))


def test_the_unit_of_time_and_the_order_of_rows_do_not_matter() -> None:
    table = trial(seed=5).drop(index=[1, 7, 20])
    one = fitted(table).contrast([0, -1, 1])
    other = fitted(table.assign(t=table["t"] * 24).sample(frac=1, random_state=4)).contrast([0, -24, 24])
    for name in ("effect", "se", "df", "p_value"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-4), name


def test_a_planned_design_has_the_precision_of_the_fitted_one() -> None:
    table = trial(seed=6)
    found = fitted(table)
    x, z = design(table)
    planned = mixed.planned(x, z, table["subject"].to_numpy(), found.cov_random, found.sigma2)
    assert planned.precision([0, -1, 1]) == pytest.approx(found.inference.precision([0, -1, 1]), rel=1e-6)


def test_predicted_random_effects_follow_the_subjects() -> None:
    table = trial(seed=7, sd=(0.5, 0.1, 0.02))
    found = fitted(table)
    slopes = mixed.slopes(table["y"], table["t"], table["subject"].to_numpy())
    arm = np.array([int(s[0]) for s in found.subjects])
    rate = found.beta[1 + arm] + found.random[:, 1]
    assert rate == pytest.approx([slopes[s] for s in found.subjects], abs=0.02)


def test_no_variance_of_slopes_is_called_singular_and_still_tested() -> None:
    found = fitted(trial(seed=1, n=12, sd=(0.3, 0.0, 0.3)))
    result = found.contrast([0, -1, 1])
    assert np.isfinite(result.p_value) and result.df >= 1
    assert fitted(trial(seed=2, sd=(0.3, 0.2, 0.05))).singular is False
    flat = trial(seed=8, sd=(0.0, 0.0, 0.3))
    assert fitted(flat).singular is True


def test_what_cannot_be_fitted_is_said() -> None:
    table = trial()
    x, z = design(table)
    subject = table["subject"].to_numpy()
    with pytest.raises(ValueError, match="cannot be told apart"):
        mixed.fit(table["y"], np.hstack([x, x[:, :1]]), z, subject)
    with pytest.raises(ValueError, match="too few subjects"):
        two = np.isin(subject, ["0-0", "1-0"])
        mixed.fit(table["y"][two], x[two], z[two], subject[two])
    with pytest.raises(ValueError, match="no subject has more than 2"):
        short = table["t"].to_numpy() < 2
        mixed.fit(table["y"][short], x[short], z[short], subject[short])
    with pytest.raises(ValueError, match="no scatter"):
        mixed.fit(1 + 0.1 * table["t"], x, z, subject)


def test_two_stages_are_welchs_test_of_slopes() -> None:
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(0, 1, 7), rng.normal(1, 3, 5), rng.normal(0, 1, 6)
    one = mixed.welch([a, b, c], [-1, 1, 0])
    other = stats.ttest_ind(b, a, equal_var=False)
    assert (one.statistic, one.df, one.p_value) == pytest.approx((other.statistic, other.df, other.pvalue))
    alone = mixed.welch([a], [1])
    assert alone.p_value == pytest.approx(stats.ttest_1samp(a, 0).pvalue)
    assert np.isnan(mixed.welch([a, b[:1]], [-1, 1]).p_value) and np.isnan(mixed.welch([a, []], [1, -1]).effect)
    assert mixed.slopes([1, 2, 3, 5, 9], [0, 1, 2, 4, 4], list("aaabb")) == {"a": pytest.approx(1.0)}


#: lme4 1.1 and pbkrtest on the published volumes (Mao and Guo 2023, CDX and PDX): slope, SE, p of the interaction.
#: The SE is that before Kenward and Roger's adjustment; volumes of 0 (two of CR1197) were left out.
LME4 = {
    "LS_1034": (-0.0242, 0.0206, 0.250),
    "SNU-81": (-0.0275, 0.0232, 0.250),
    "SW837": (-0.0181, 0.00854, 0.057),
    "CR1197": (-0.0276, 0.0196, 0.180),
}


@pytest.mark.parametrize("name", sorted(LME4))
def test_lme4_and_pbkrtest(shared: Path, name: str) -> None:
    wide = pd.read_csv(shared / "data" / "in_vivo" / f"invivosyn_{name}.csv")
    table = wide.melt(["Treatment", "Mouse"], var_name="day", value_name="volume").dropna()
    table = table[table["volume"] > 0]
    t = table["day"].astype(float).to_numpy()
    t = t - t.min()
    parts = [{p.strip() for p in a.split("+")} for a in table["Treatment"]]
    first, second = sorted({p for s in parts for p in s} - {"Vehicle"})
    a, b = (np.array([name in s for s in parts], dtype=float) for name in (first, second))
    one = np.ones_like(t)
    subject = (table["Treatment"] + table["Mouse"].astype(str)).to_numpy()
    found = mixed.fit(
        np.log(table["volume"]), np.column_stack([one, t, t * a, t * b, t * a * b]), np.column_stack([one, t]), subject
    )
    estimate, se, p = LME4[name]
    result = found.contrast([0, 0, 0, 0, 1])
    assert result.effect == pytest.approx(estimate, rel=0.01)
    assert np.sqrt(found.inference.cov[-1, -1]) == pytest.approx(se, rel=0.01)
    assert result.p_value == pytest.approx(p, abs=0.01)


@pytest.mark.slow
def test_the_null_is_kept_with_few_subjects() -> None:
    """4 subjects an arm, 1,000 trials: rejections at 5 % within binomial error (5 standard errors)."""
    trials, null = 1000, []
    for seed in range(trials):
        table = trial(seed, n=4)
        table["y"] += 0.05 * table["arm"] * table["t"]  # takes the planted difference away
        null.append(fitted(table).contrast([0, -1, 1]).p_value)
    rejected = np.less(null, 0.05).sum()
    assert stats.binom.ppf(3e-7, trials, 0.05) <= rejected <= stats.binom.ppf(1 - 3e-7, trials, 0.05)
