"""The analysis: each treatment against vehicle by the design that the rows show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.thermal_shift.doses import over_doses
from rechallenge.assays.thermal_shift.levels import amounts, bands
from rechallenge.assays.thermal_shift.melting import melting
from rechallenge.assays.thermal_shift.prepare import (
    BANDS,
    DARTS,
    DOSES,
    FULL_MELT,
    INTEGRAL,
    MELTING,
    SINGLE,
    Comparison,
    comparisons,
    design_of,
    fractions,
    matrix,
    normalised,
    tidied,
)
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import source_rows

NPARC = "doi:10.1074/mcp.TIR119.001481"
TPP = "doi:10.1126/science.1255784"
KURZAWA = "doi:10.1038/s41467-020-19529-8"
FRANKEN = "doi:10.1038/nprot.2015.101"
TAIL = "doi:10.1093/bioinformatics/btp211"
CETSA = "doi:10.1126/science.1233606"
PISA = "doi:10.1021/acs.jproteome.9b00500"
DARTS_DOI = "doi:10.1002/9780470559277.ch110180"
LIMMA = "doi:10.2202/1544-6115.1027"
#: proteins of each comparison whose points and curves are kept for drawing
SHOWN = 12

COLUMNS = (
    "protein", "gene", "model", "treatment", "contrast", "design", "condition", "temperature_c", "effect",
    "effect_unit", "se", "ci_low", "ci_high", "statistic", "f_statistic", "df1", "df2", "p_value", "p_holm", "q_value",
    "p_exchanged", "q_exchanged", "n", "n_vehicle", "n_treated", "tm_vehicle_c", "tm_treated_c", "delta_tm_c",
    "delta_tm_low", "delta_tm_high", "tm_status", "tm_reason", "r2_vehicle", "r2_treated", "pec50", "pec50_low",
    "pec50_high", "pec50_status", "pec50_reason", "change", "block", "confidence",
    "overall", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
_TEXT = (
    "gene", "model", "condition", "effect_unit", "tm_status", "tm_reason", "pec50_status", "pec50_reason", "change",
    "block", "status", "reason",
)  # fmt: skip
DOSE_POINTS = ("model", "treatment", "protein", "gene", "replicate", "temperature_c", "dose_um", "value", "fitted")
POINTS = ("model", "treatment", "design", "protein", "gene", "arm", "replicate", "temperature_c", "value")
CURVES = ("model", "treatment", "protein", "arm", "plateau", "a", "b", "tm_c", "r2")
QUALITY = (
    "model", "treatment", "design", "arm", "replicate", "temperature_c", "median", "factor", "r2", "n_proteins",
    "by", "normalised", "note",
)  # fmt: skip


def _methods(
    results: dict[str, pd.DataFrame], confidence: float, min_replicates: int, normalise: str, test: str, **_: Any
) -> str:
    table = results["thermal_shift"]
    done = set(table["design"])
    said = []
    if MELTING in done:
        how = f"after median-curve normalisation ({TPP})" if normalise == "median_curve" else "as given"
        if normalise == "median_curve":
            by = results["thermal_shift_quality"].query("design == @MELTING")["by"].drop_duplicates()
            how += f" by {'; '.join(by)} ({FRANKEN})" if len(by) else ""
        tested = table[(table["design"] == MELTING) & table["df1"].notna()]
        d = sorted({f"{a:.2f} and {b:.2f}" for a, b in zip(tested["df1"], tested["df2"], strict=True)})
        which = f"with degrees of freedom estimated over all proteins ({'; '.join(d) or 'none'})"
        pool = f"the F of all proteins with runs exchanged between the arms, with a generalised Pareto tail ({TAIL})"
        if test == "exchanged":
            which = f"against {pool}"
        elif table["p_exchanged"].notna().any():
            which += f"; beside it stands the p of the same F against {pool}"
        said.append(
            f"Melting curves (fractions soluble {how}) were compared by nonparametric analysis of response curves "
            f"({NPARC}): one curve for both arms against one per arm, F {which}, for proteins with "
            f"{min_replicates} or more complete curves per arm. "
            "The effect is the mean fraction soluble over the temperatures, treated minus vehicle, with moderated "
            f"intervals ({LIMMA}) over replicates; melting points are descriptive."
        )
    if done & {SINGLE, INTEGRAL}:
        cite = f" ({PISA})" if INTEGRAL in done else ""
        said.append(
            f"Soluble amounts at one temperature or pooled over temperatures{cite} were compared on log2 after median "
            f"normalisation by moderated t ({LIMMA})."
        )
    if done & {BANDS, DARTS}:
        cites = ", ".join([*([CETSA] if BANDS in done else []), *([DARTS_DOI] if DARTS in done else [])])
        said.append(
            f"Band densities ({cites}), over the loading control where given, were taken relative to the unchallenged "
            "lane of the same replicate and arm; the difference between arms was tested over replicates (block where "
            "labels are shared, else Welch), single levels adjusted by Holm."
        )
    if DOSES in done:
        said.append(
            f"Doses by temperature were tested as by Kurzawa et al. ({KURZAWA}): no effect of the dose against sigmoid "
            "dose responses with a plateau per temperature and an EC50 that shifts linearly with temperature; F with a "
            "moderated denominator, its null from the doses permuted within each temperature over all proteins with a "
            f"generalised Pareto tail ({TAIL}); limits of the EC50 are those of its profile."
            if table["pec50_status"].ne("").any()
            else "Dose by temperature designs were compared at the highest dose, temperature by temperature."
        )
    return (
        " ".join(said) + f" Intervals are at {100 * confidence:g} %; q values are Benjamini and Hochberg's "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x) over the tests of a model, treatment and design."
    )


@analysis(
    title="Shift of protein stability by the drug",
    reference=(NPARC, TPP, FRANKEN, TAIL, KURZAWA, CETSA, PISA, DARTS_DOI, LIMMA),
    gives=(
        "thermal_shift",
        "thermal_shift_points",
        "thermal_shift_curves",
        "thermal_shift_quality",
        "thermal_shift_doses",
    ),
    methods=_methods,
    formula=(
        "y = (1 - Pl) / (1 + exp(b - a / T)) + Pl; F = ((RSS0 - RSS1) / d1) / (RSS1 / d2), d1 and d2 from all "
        "proteins (NPARC); F of the same with runs exchanged beside it"
    ),
    oracle=(
        "R NPARC on staurosporine and panobinostat, TPP 3.23.0 for normalisation and melting points, TPP2D for "
        "doses (tests/stats/test_melt.py, tests/assays/test_thermal_shift_null.py, "
        "tests/stats/test_dose_temperature.py)"
    ),
    limits=(
        "NPARC's own p rejects 6 to 11 % of nulls at 5 %; the exchanged p keeps its level and finds less "
        "(staurosporine 55 at 1 % where NPARC has 80). Many targets do not shift, and what shifts need not be "
        "the target."
    ),
)
def thermal_shift(
    thermal_shift: pd.DataFrame,
    *,
    confidence: float = 0.95,
    min_replicates: int = 2,
    min_peptides: int = 1,
    normalise: str = "median_curve",
    min_spectra: int = 4,
    full_melt: Sequence[Sequence[float]] = FULL_MELT,
    test: str = "nparc",
    permutations: int = 20,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Every protein of every treatment against vehicle: `COLUMNS`; points and curves of the strongest; quality.

    `normalise` is "median_curve" or "none" (already normalised); the curve is set by proteins with `min_spectra`
    quantified spectra or more in every run (where the table has the column) that melt within `full_melt`: place of the
    temperature among ten, lowest and highest fraction (the defaults are those of the package TPP). Proteins on fewer
    than `min_peptides` unique peptides (where these are given) and with fewer than `min_replicates` complete curves in
    an arm are not tested.

    `p_value` of melting curves is that of NPARC's F with `test` "nparc". `p_exchanged` compares the same F with those
    that the experiment itself gives when runs are exchanged between the arms: it keeps its level where runs differ or
    proteins scatter unlike, which NPARC's does not, and finds less. With `test` "exchanged" it is the `p_value`.

    Doses by temperature are tested by one F per protein (`rechallenge.stats.dose_temperature`) against `permutations`
    of the doses within each temperature, drawn with `seed`; fewer than 20 proteins that can be tested so are compared
    at the highest dose. Raises NotApplicable where no treatment has a vehicle, ValueError for an unknown `normalise` or
    `test`.
    """
    if normalise not in ("median_curve", "none"):
        raise ValueError(f"normalise is 'median_curve' or 'none', got {normalise!r}")
    if test not in ("nparc", "exchanged"):
        raise ValueError(f"test is 'nparc' or 'exchanged', got {test!r}")
    bounds = [(int(place), float(low), float(high)) for place, low, high in full_melt]
    table = tidied(thermal_shift)
    table = table[table["value"].notna()]
    results, points, arms, quality, dosed = [], [], [], [], []
    for model, treatment, rows in comparisons(table):
        design = design_of(rows)
        if design in (BANDS, DARTS):
            found = bands(rows, model, treatment, design, confidence)
            points.append(_band_points(rows, model, treatment, design, found))
        else:
            found, more, drawn, factors = pd.DataFrame(), pd.DataFrame(), None, pd.DataFrame()
            if design == DOSES:
                one = matrix(model, treatment, rows, design)
                found, curved, factors = over_doses(
                    one, confidence=confidence, permutations=permutations, seed=seed, normalise=normalise != "none"
                )
                dosed.append(curved)
            if found.empty:
                one = matrix(model, treatment, _at_highest_dose(rows) if design == DOSES else rows, design)
                found, more, drawn, factors = _proteome(one, confidence, min_replicates, normalise, min_spectra, bounds)
            if found.empty:
                continue
            found = _few_peptides(found, rows, min_peptides)
            if design == MELTING and test == "exchanged":
                found = _by_exchange(found)
            best = _strongest(found)
            if drawn is not None:
                points.append(_points(drawn, best))
            arms.append(
                more[more["protein"].isin(best)].assign(model=model, treatment=treatment) if len(more) else more
            )
            quality.append(factors)
        found = found.assign(model=model, treatment=treatment, design=design)
        found["source_rows"] = _origins(rows, found)
        results.append(found)
    if not results:
        raise NotApplicable("the table of thermal shifts has no treatment beside its vehicle")
    out = _finished(pd.concat(results, ignore_index=True), confidence)
    return {
        "thermal_shift": out,
        "thermal_shift_points": _table(points, POINTS),
        "thermal_shift_curves": _table(arms, CURVES),
        "thermal_shift_quality": _table(quality, QUALITY),
        "thermal_shift_doses": _table(dosed, DOSE_POINTS),
    }


def _at_highest_dose(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of vehicle and, at every temperature, of the highest dose given there."""
    top = rows[~rows["vehicle"]].groupby("temperature_c")["dose_um"].transform("max")
    return rows[rows["vehicle"] | (rows["dose_um"] == top.reindex(rows.index))]


def _proteome(
    one: Comparison,
    confidence: float,
    min_replicates: int,
    normalise: str,
    min_spectra: int,
    bounds: Sequence[tuple[int, float, float]],
) -> tuple[pd.DataFrame, pd.DataFrame, Comparison, pd.DataFrame]:
    """Results, curves per arm, the comparison as it was tested, and quality rows."""
    if one.design != MELTING:
        found, factors = amounts(one, min_replicates=min_replicates, confidence=confidence)
        note = "log2, samples brought to one median"
        return found, pd.DataFrame(), one, _factors(factors, one, "median", note)
    relative, note = fractions(one)
    factors = pd.DataFrame()
    if normalise == "median_curve":
        relative, factors = normalised(relative, min_spectra=min_spectra, bounds=bounds)
    found, more = melting(relative, min_replicates=min_replicates, confidence=confidence)
    found["condition"] = f"{len(set(one.temperature.tolist()))} temperatures"
    return found, more, relative, _factors(factors, one, normalise, note)


def _factors(factors: pd.DataFrame, one: Comparison, how: str, note: str) -> pd.DataFrame:
    if factors.empty:
        return factors
    arm = np.where(factors["treated"], one.treatment, "vehicle")
    more = {"model": one.model, "treatment": one.treatment, "design": one.design, "normalised": how, "note": note}
    return factors.assign(arm=arm, **more)


def _few_peptides(found: pd.DataFrame, rows: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """Proteins that rest on too few peptides in every sample are not tested."""
    known = rows.groupby("protein")["peptides"].max()
    few = found["protein"].map(known) < fewest
    if few.any():
        gone = ["p_value", "p_exchanged", "f_statistic", "statistic"]
        found.loc[few, [c for c in gone if c in found.columns]] = np.nan
        found.loc[few, "status"] = "not_testable"
        found.loc[few, "reason"] = f"fewer than {fewest} unique peptides"
    return found


def _by_exchange(found: pd.DataFrame) -> pd.DataFrame:
    """The test by exchange of runs in place of that with empirical degrees of freedom."""
    lost = found["p_value"].notna() & found["p_exchanged"].isna()
    found["p_value"], found["df1"], found["df2"] = found["p_exchanged"], np.nan, np.nan
    found.loc[lost, "status"] = "not_testable"
    found.loc[lost, "reason"] = "no runs to exchange between the arms, or fewer than 100 proteins with all of them"
    return found


def _strongest(found: pd.DataFrame) -> list[str]:
    ranked = found[found["p_value"].notna()].sort_values(["p_value", "protein"])
    return list(dict.fromkeys(ranked["protein"]))[:SHOWN]


def _points(one: Comparison, proteins: list[str]) -> pd.DataFrame:
    place = {p: i for i, p in enumerate(one.proteins)}
    parts = []
    for protein in proteins:
        part = one.samples[["treated", "replicate", "temperature_c"]].copy()
        part["arm"] = np.where(part["treated"], one.treatment, "vehicle")
        part["protein"], part["gene"] = protein, one.genes[place[protein]]
        part["value"] = one.values[place[protein]]
        parts.append(part[part["value"].notna()])
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts).assign(model=one.model, treatment=one.treatment, design=one.design)


def _band_points(rows: pd.DataFrame, model: str, treatment: str, design: str, found: pd.DataFrame) -> pd.DataFrame:
    part = rows.assign(arm=np.where(rows["vehicle"], "vehicle", treatment))
    if design == DARTS:
        part = part.assign(temperature_c=np.nan)
    keys = ["protein", "arm", "replicate", "temperature_c"]
    keys += ["protease"] if design == DARTS else []
    means = part.groupby(keys, sort=True, dropna=False)["value"].mean().reset_index()
    gene = found.drop_duplicates("protein").set_index("protein")["gene"]
    return means.assign(gene=means["protein"].map(gene), model=model, treatment=treatment, design=design)


def _origins(rows: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Rows of the lab's table behind each result: all of its protein in the two arms."""
    if "_row" not in rows.columns:
        return [""] * len(found)
    codes, names = pd.factorize(rows["protein"])
    order = np.argsort(codes, kind="mergesort")
    files, lines = rows["_file"].to_numpy(dtype=object)[order], rows["_row"].to_numpy()[order]
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    said = {}
    for name, i, j in zip(names, ends[:-1], ends[1:], strict=True):
        pairs = sorted(set(zip(files[i:j], lines[i:j], strict=True)))  # a wide export has a row for many samples
        said[name] = source_rows([f for f, _ in pairs], [int(r) for _, r in pairs])
    return [said[p] for p in found["protein"]]


def _finished(out: pd.DataFrame, confidence: float) -> pd.DataFrame:
    out = out.reindex(columns=[*COLUMNS])
    out["contrast"] = out["treatment"] + " vs vehicle"
    out["confidence"], out["source_table"] = confidence, "thermal_shift"
    out["overall"] = [x is not False for x in out["overall"]]  # only levels of bands are parts of a whole
    for c in _TEXT:
        out[c] = out[c].fillna("").astype(str)
    numbers = [c for c in COLUMNS if c not in (*_TEXT, "protein", "treatment", "contrast", "design", "overall",
                                               "source_table", "source_rows")]  # fmt: skip
    for c in numbers:
        out[c] = pd.to_numeric(out[c]).astype("float64")
    out["n"] = out["n"].fillna(0).astype("int64")
    family = out.groupby(["model", "treatment", "design", "overall"], sort=False)["p_value"]
    out["q_value"] = family.transform(lambda p: bh(p.to_numpy()))
    out["q_exchanged"] = out.groupby(["model", "treatment", "design", "overall"], sort=False)["p_exchanged"].transform(
        lambda p: bh(p.to_numpy())
    )
    levels = out["design"].isin([BANDS, DARTS]) & ~out["overall"]
    out.loc[levels, "p_holm"] = (
        out[levels]
        .groupby(["model", "treatment", "design", "protein"])["p_value"]
        .transform(lambda p: holm(p.to_numpy()))
    )
    keys = ["model", "treatment", "design", "p_value", "protein", "overall", "temperature_c", "condition"]
    order = out.sort_values(keys, ascending=[True, True, True, True, True, False, True, True], kind="mergesort")
    bands_first = order["design"].isin([BANDS, DARTS])
    rest = order[bands_first].sort_values(
        ["model", "treatment", "design", "protein", "overall"], ascending=[True, True, True, True, False],
        kind="mergesort",
    )  # fmt: skip
    return pd.concat([order[~bands_first], rest], ignore_index=True)


def _table(parts: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    filled = [p for p in parts if len(p)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    extra = ["protease"] if any("protease" in p.columns for p in filled) and columns == POINTS else []
    joined = pd.concat(filled, ignore_index=True).reindex(columns=[*columns, *extra])
    if extra:
        joined["protease"] = joined["protease"].fillna("")
    keys = ["model", "treatment", "design", "protein", "arm", "replicate", "temperature_c", "protease", "dose_um"]
    keys = [c for c in keys if c in joined.columns]
    return joined.sort_values(keys, kind="mergesort").reset_index(drop=True)
