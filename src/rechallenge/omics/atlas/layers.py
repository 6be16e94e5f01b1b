"""The layers in which an enzyme can show, each with a sign: RNA, protein, metabolites, tracer, stages.

The metabolite layer is tested here (`samples`, rotation); the others come as contrasts that bear the same name,
whatever data set they are from (`rechallenge.contrasts` names them: `Huh-7 LR vs Huh-7 P`,
`Huh-7 P: lenvatinib vs vehicle`). A contrast analysed elsewhere takes part under such a name. Rows of a layer called
`flux` (feature = gene, for fluxes fitted or measured elsewhere) stand in the tracer's place and before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rechallenge import knowledge
from rechallenge.contrasts import grouped
from rechallenge.knowledge import resolve
from rechallenge.omics.atlas.footprints import Enzyme, enzymes
from rechallenge.omics.atlas.names import mapped
from rechallenge.stats.conjunction import one_sided

Floats = NDArray[np.float64]

#: layer -> what it is a layer of
SIDES = {
    "rna": "enzyme",
    "protein": "enzyme",
    "metabolite": "metabolites",
    "tracer": "metabolites",
    "stage": "metabolites",
}
LAYERS = tuple(SIDES)
FLUX = "flux"
#: p-values of 0, as some programs print them, are read as this
_SMALLEST = 1e-300


@dataclass(frozen=True)
class Layer:
    """One layer over g enzymes: ``effect`` and one-sided ``p_up``, ``p_down`` [g], nan where there is none;
    ``basis`` [g] says what it rests on; ``absent`` why there is none anywhere."""

    effect: Floats
    p_up: Floats
    p_down: Floats
    basis: tuple[str, ...]
    absent: str = ""

    @property
    def p_value(self) -> Floats:
        return np.asarray(np.minimum(1.0, 2 * np.fmin(self.p_up, self.p_down)))

    @property
    def z(self) -> Floats:
        """Signed normal quantile of the one-sided p-values."""
        smaller = np.fmin(self.p_up, self.p_down)
        size = -special.ndtri(np.clip(smaller, _SMALLEST, 0.5))
        return np.asarray(np.where(self.p_up <= self.p_down, size, -size) + 0.0 * self.p_up)


def nothing(why: str = "") -> Layer:
    """A layer that nobody measured."""
    g = len(enzymes())
    empty = np.full(g, np.nan)
    return Layer(empty, empty.copy(), empty.copy(), ("",) * g, why)


def same(label: object) -> str:
    """A contrast's name as it is compared."""
    return re.sub(r"\s+", " ", str(label)).strip().casefold()


def _called(labels: pd.Series, contrast: str) -> pd.Series:
    """Which rows bear the name of a contrast."""
    return labels.isin([label for label in labels.unique() if same(label) == same(contrast)])


@lru_cache(maxsize=1)
def _gene_names() -> tuple[dict[str, str], frozenset[str]]:
    """(symbol, Ensembl or Entrez number -> enzyme, older names of the enzymes)."""
    genes = [e.gene for e in enzymes()]
    known = resolve.genes(genes)
    exact: dict[str, str] = {}
    for gene, ensembl, entrez in zip(genes, known["ensembl"], known["entrez"], strict=True):
        exact |= {name: gene for name in (gene, ensembl, entrez) if name}
    table = knowledge.table("genes")
    table = table[table["symbol"].isin(genes)]
    older = {n for c in ("previous_symbols", "alias_symbols") for names in table[c] for n in names}
    return exact, frozenset(older - set(exact))


def genes_of(features: Iterable[str]) -> dict[str, str]:
    """Feature -> enzyme, for those features (symbols, older symbols, Ensembl or Entrez numbers) that are enzymes."""
    exact, older = _gene_names()
    out, doubtful = {}, []
    for feature in dict.fromkeys(map(str, features)):
        name = feature.split(".")[0] if feature.startswith("ENSG") else feature
        if name in exact:
            out[feature] = exact[name]
        elif name in older:
            doubtful.append(feature)
    if doubtful:
        answer = resolve.genes(doubtful)
        ours = set(exact.values())
        out |= {f: g for f, g in zip(doubtful, answer["gene"], strict=True) if g in ours}
    return out


def gene_layer(differential: pd.DataFrame | None, contrast: str, layer: str) -> Layer:
    """RNA, protein or flux of every enzyme in one contrast.

    Where several rows speak of one enzyme (probes, data sets) the one with the smallest p-value counts, its p-value
    multiplied by their number.
    """
    what = {"rna": "RNA", "protein": "protein"}.get(layer, layer)
    if differential is None or differential.empty:
        return nothing(f"no contrast of {what}")
    rows = differential[(differential["layer"] == layer) & _called(differential["contrast"], contrast)]
    if rows.empty:
        return nothing(f"no contrast of {what} is called '{contrast}'")
    gene = rows["feature"].astype(str).map(genes_of(rows["feature"]))
    rows = rows.assign(gene=gene).dropna(subset=["gene"])
    sign = rows["log2fc"] if "log2fc" in rows else rows["statistic"]
    rows = rows.assign(_effect=pd.to_numeric(sign), _p=pd.to_numeric(rows["p_value"]).clip(lower=_SMALLEST))
    rows["feature"] = rows["feature"].astype(str)
    tested = rows.dropna(subset=["_p", "_effect"]).sort_values(["gene", "_p", "feature"], kind="mergesort")
    count = tested.groupby("gene").size()
    best = tested.drop_duplicates("gene").set_index("gene")
    names = [e.gene for e in enzymes()]
    p = np.minimum(1.0, (best["_p"] * count).reindex(names).to_numpy(float))
    shown = pd.concat([tested, rows[rows["_p"].isna()].sort_values(["gene", "feature"], kind="mergesort")])
    effect = shown.drop_duplicates("gene").set_index("gene")["_effect"].reindex(names).to_numpy(float)
    up, down = one_sided(p, effect)
    return Layer(effect, up, down, tuple(best["feature"].reindex(names).fillna("")))


#: measure of the tracing table -> whether it is used: shares that stand for a route first, else the mean enrichment
SHARE, ENRICHMENT = "isotopologue share", "mean enrichment"
#: routes that tell of an enzyme by another metabolite than its product, and the one that runs against the table
ROUTE_GENES = {("pyruvate carboxylase", "malate"): "PC", ("pyruvate dehydrogenase", "citrate"): "PDHA1"}
BACKWARD = frozenset({"reductive carboxylation", "lactate uptake"})


def tracer_layer(tracing: pd.DataFrame | None, differential: pd.DataFrame | None, contrast: str) -> Layer:
    """Label in the main products of every enzyme, or its flux where that was determined.

    Of the isotopologues those count that were named beforehand for a route, else the mean enrichment; several
    p-values of one enzyme (tracers, hours, products) are joined by Bonferroni.
    """
    flux = gene_layer(differential, contrast, FLUX)
    label = _label_layer(tracing, contrast)
    own = ~np.isnan(flux.p_up)
    basis = tuple(FLUX if f else b for f, b in zip(own, label.basis, strict=True))
    effect, up, down = (np.where(own, getattr(flux, k), getattr(label, k)) for k in ("effect", "p_up", "p_down"))
    return Layer(effect, up, down, basis, "" if own.any() else label.absent)


def _label_layer(table: pd.DataFrame | None, contrast: str) -> Layer:
    if table is None or table.empty:
        return nothing("no tracer contrast")
    rows = table[_called(table["contrast"], contrast)].dropna(subset=["effect", "p_value"])
    if rows.empty:
        return nothing(f"no tracer contrast is called '{contrast}'")
    names = mapped(rows["metabolite"])
    compound = [names[m][0] if len(names[m]) == 1 else "" for m in rows["metabolite"].astype(str)]
    rows = rows.assign(_compound=compound)
    rows = rows.sort_values(["_compound", "measure", "isotopologue", "p_value"], kind="mergesort")
    found = [_label_of(enzyme, rows) for enzyme in enzymes()]
    effect, up, down = (np.array([f[k] for f in found]) for k in range(3))
    return Layer(effect, up, down, tuple(f[3] for f in found))


def _label_of(enzyme: Enzyme, rows: pd.DataFrame) -> tuple[float, float, float, str]:
    """(effect, p up, p down, basis) of the label of one enzyme."""
    wanted = {n for p in enzyme.products for n in (p, enzyme.proxy.get(p, p))}
    share = rows[rows["measure"] == SHARE]
    route = [
        ROUTE_GENES.get((str(p), str(c))) == enzyme.gene
        for p, c in zip(share["pathway"], share["_compound"], strict=True)
    ]
    mine = share[(share["_compound"].isin(wanted) & ~share["pathway"].isin(BACKWARD)) | np.array(route, bool)]
    if mine.empty:
        mine = rows[(rows["measure"] == ENRICHMENT) & rows["_compound"].isin(wanted)]
    if mine.empty:
        return np.nan, np.nan, np.nan, ""
    up, down = one_sided(mine["p_value"], mine["effect"])
    best = int(np.argmin(np.minimum(up, down)))
    row = mine.iloc[best]
    basis = f"{row['metabolite']} {row['isotopologue'] or ENRICHMENT}"
    return (
        float(row["effect"]),
        min(1.0, len(mine) * float(up.min())),
        min(1.0, len(mine) * float(down.min())),
        basis,
    )


@dataclass(frozen=True)
class Samples:
    """The metabolites of one data set in its biological replicates: ``y`` [n, m] log2, ``sheet`` [n] (`grouped`).

    A column is a compound of the enzyme table or a feature that is none; ``columns`` maps compounds to columns,
    ``features`` [m] names what was measured, ``origin`` [m] its rows in the lab's table. ``incomplete`` counts
    features left out for missing values.
    """

    y: Floats
    sheet: pd.DataFrame
    columns: Mapping[str, int]
    features: tuple[str, ...]
    origin: tuple[tuple[tuple[str, int], ...], ...]
    incomplete: int


def wide(values: pd.DataFrame, metabolites: pd.DataFrame | None, dataset: str) -> pd.DataFrame:
    """Values of one data set with a row per feature and a column per biological sample, and the rows' origin."""
    part = values[values["dataset"].astype(str) == dataset]
    if "value" not in part:
        return part
    if "sample_type" in part:
        part = part[part["sample_type"] == "sample"]
    table = part.pivot_table(index="feature", columns="sample", values="value").rename_axis(columns=None).reset_index()
    if metabolites is not None and {"_file", "_row"} <= set(metabolites.columns):
        read = metabolites[metabolites["dataset"].astype(str) == dataset].drop_duplicates("feature")
        table = table.merge(read[["feature", "_file", "_row"]], on="feature", how="left")
    return table


def samples(levels: pd.DataFrame, sheet: pd.DataFrame, max_missing: float) -> Samples:
    """Levels [features, samples] of one data set as `Samples`; technical repeats of a replicate are averaged.

    A feature missing in more than `max_missing` of the samples is left out; the gaps of others take the feature's mean
    over all samples, which dilutes an effect and makes none.
    """
    sheet = grouped(sheet.drop_duplicates("sample"))
    sheet = sheet[(sheet["model"] != "") & sheet["sample"].isin(levels.columns)].sort_values("sample", kind="mergesort")
    sheet["batch"] = sheet["batch"].fillna("").astype(str) if "batch" in sheet else ""
    values = levels.sort_values("feature", kind="mergesort").reset_index(drop=True)
    y = values[list(sheet["sample"])].apply(pd.to_numeric, errors="coerce").to_numpy(float).T
    unit = ["model", "treatment", "stage", "replicate", "batch"]
    key = sheet[unit].agg("\x1f".join, axis=1) + np.where(sheet["replicate"] == "", "\x1f" + sheet["sample"], "")
    order = list(dict.fromkeys(key))
    with np.errstate(invalid="ignore"):
        y = np.vstack([_mean(y[(key == k).to_numpy()]) for k in order]) if order else y
    sheet = sheet.loc[~key.duplicated()].reset_index(drop=True)
    kept = np.mean(~np.isfinite(y), axis=0) <= max_missing if len(y) else np.zeros(y.shape[1], bool)
    y = np.where(np.isfinite(y), y, np.nan)[:, kept]
    y = np.where(np.isnan(y), _mean(y)[None, :], y) if len(y) else y
    values = values.loc[kept].reset_index(drop=True)
    return _by_compound(y, sheet, values, int((~kept).sum()))


def _mean(rows: Floats) -> Floats:
    """Mean over rows of what is there; nan where nothing is."""
    there = np.isfinite(rows)
    count = there.sum(axis=0)
    return np.asarray(np.where(count > 0, np.where(there, rows, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan))


def _by_compound(y: Floats, sheet: pd.DataFrame, values: pd.DataFrame, incomplete: int) -> Samples:
    """Features that name one compound are averaged; one that names several stands for those without their own."""
    names = [str(f) for f in values["feature"]]
    of = mapped(names)
    own: dict[str, list[int]] = {}
    joint: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        for compound in of[name]:
            (own if len(of[name]) == 1 else joint).setdefault(compound, []).append(i)
    groups: list[tuple[int, ...]] = []
    columns: dict[str, int] = {}
    for compound in sorted({*own, *joint}):
        group = tuple(own.get(compound) or joint[compound])
        if group not in groups:
            groups.append(group)
        columns[compound] = groups.index(group)
    used = {i for group in groups for i in group}
    groups += [(i,) for i in range(len(names)) if i not in used]
    has_origin = {"_file", "_row"} <= set(values.columns)
    places = list(zip(values["_file"].astype(str), values["_row"], strict=True)) if has_origin else []
    return Samples(
        np.column_stack([y[:, list(g)].mean(axis=1) for g in groups]) if groups else y[:, :0],
        sheet,
        columns,
        tuple(" + ".join(names[i] for i in g) for g in groups),
        tuple(tuple((str(places[i][0]), int(places[i][1])) for i in g) if places else () for g in groups),
        incomplete,
    )


def main_products(enzyme: Enzyme, columns: Mapping[str, int]) -> list[int]:
    """Columns of an enzyme's measured main products (or what stands in for them)."""
    named = [p if p in columns else enzyme.proxy.get(p, "") for p in enzyme.products]
    return sorted({columns[n] for n in named if n in columns})
