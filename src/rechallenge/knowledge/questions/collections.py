"""Collections of gene sets and regulons: the study's own, the built-in ones, and those that were installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rechallenge.knowledge import tables
from rechallenge.knowledge.errors import NotInstalled

if TYPE_CHECKING:
    import pandas as pd

#: the built-in collection: programmes that matter in resistance
PROGRAMMES = "programmes"
#: collections that can be installed with `rechallenge knowledge fetch`
INSTALLABLE = ("hallmark", "reactome", "wikipathways", "go_bp")
#: where an edge of a regulon comes from
OWN, INSTALLED, STARTER = "own", "collectri", "starter"


def gene_sets(own: pd.DataFrame | None, wanted: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Collection -> set -> genes: the study's own, then `wanted` of those that are built in or installed, in order."""
    out: dict[str, dict[str, list[str]]] = {}
    if own is not None and len(own):
        for name, part in own.groupby("collection", sort=True):
            out[str(name)] = _by_set(part)
    for name in wanted:
        if name == PROGRAMMES:
            out[name] = _by_set(tables.table("gene_sets"))
            continue
        try:
            out[name] = _by_set(tables.table(name))
        except NotInstalled:
            continue  # not installed: what is used is named in the result, and `knowledge list` says what could be
    return out


def _by_set(table: pd.DataFrame) -> dict[str, list[str]]:
    return {str(s): sorted({str(g) for g in genes}) for s, genes in table.groupby("set", sort=True)["gene"]}


def set_titles() -> dict[str, str]:
    """Titles of the built-in programmes by name."""
    info = tables.starter_text("gene_set_info")
    return dict(zip(info["set"], info["title"], strict=True))


def regulons(own: pd.DataFrame | None) -> pd.DataFrame:
    """Signed edges tf, target, weight, and `regulons`: where each comes from. The study's own go before CollecTRI's,
    these before those of the built-in table, of which the factors of expression are taken."""
    import pandas as pd

    names = ["tf", "target", "weight"]
    parts = []
    if own is not None and len(own):
        parts.append(own[names].assign(regulons=OWN))
    try:
        known = tables.table("collectri").rename(columns={"regulator": "tf"})
    except NotInstalled:
        known = None
    if known is not None:
        parts.append(known[names].assign(regulons=INSTALLED))
    some = tables.starter_text("regulators")
    some = some[some["acts_on"].eq("expression") & ~some["regulator"].str.startswith("hsa-")]
    built = some.rename(columns={"regulator": "tf"}).assign(weight=some["effect"].astype(float), regulons=STARTER)
    parts.append(built[[*names, "regulons"]])
    out = pd.concat(parts, ignore_index=True)
    out["weight"] = pd.to_numeric(out["weight"]).astype(float)
    out = out[out["weight"].notna() & (out["weight"] != 0)]
    out = out.assign(_rank=out["regulons"].map({OWN: 0, INSTALLED: 1, STARTER: 2}))
    order = ["_rank", "tf", "target", "weight"]
    out = out.sort_values(order, kind="mergesort").drop_duplicates(["tf", "target"]).drop(columns="_rank")
    return out.sort_values(["tf", "target"], kind="mergesort", ignore_index=True)
