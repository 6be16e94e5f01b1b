"""Which compound a feature is: names and identifiers resolved, isomers put together, the unmapped listed."""

from __future__ import annotations

import re

import pandas as pd

from rechallenge.analysis import analysis

COLUMNS = ("feature", "metabolite", "hmdb", "kegg", "chebi", "status", "isomer_group", "group_size", "note", "source")
#: words of peak names that mean "one of these isomers"
_APART = re.compile(r"\s*(?:/|\||\bor\b|;)\s*")
_HEX = re.compile(r"^(?:hexose|hexoses|pentose)(?:[- ]?(?:phosphate|mono ?phosphate|bisphosphate|p))?s?$", re.I)


def parts_of(feature: str) -> list[str]:
    """The compounds that a feature's name names; one unless the peak is of isomers.

    >>> parts_of("leucine/isoleucine"), parts_of("glucose"), parts_of("PC 34:1/36:2")
    (['leucine', 'isoleucine'], ['glucose'], ['PC 34:1/36:2'])
    """
    if re.search(r"\d:\d", feature):
        return [feature]
    found = [p for p in _APART.split(feature) if p]
    return found if len(found) > 1 and all(len(p) > 2 for p in found) else [feature]


@analysis(
    title="Names of metabolites",
    methods="Names of metabolites were resolved to HMDB, KEGG and ChEBI; what could not be resolved is listed. Peaks "
    "that name several isomers, and peaks of one compound, form one group and count once.",
    formula="No formula: a lookup by name, synonym, HMDB, KEGG or ChEBI",
    oracle=(
        "131 of 138 names of a targeted panel as the laboratory has them (tests/omics/test_atlas.py); lists by "
        "hand (tests/omics/test_metabolome.py)"
    ),
    limits=("A name is what the laboratory says: no spectrum is read. Names that mean two compounds stay unresolved."),
)
def metabolite_names(metabolite_quality: pd.DataFrame) -> pd.DataFrame:
    """One row per feature that was kept: `COLUMNS`.

    `status` is that of `knowledge.resolve.metabolites` (exact, synonym, conjugate, natural, hmdb, kegg, chebi,
    ambiguous, unknown), with "isomers" for a peak of several compounds. `metabolite` is the resolved name, ''
    where there is none. Features of one `isomer_group` are one compound, or cannot be told apart, and count once.
    """
    from rechallenge.knowledge.resolve.metabolites import metabolites as resolve

    features = sorted(set(metabolite_quality.loc[metabolite_quality["kept"], "feature"].astype(str)))
    pieces = {f: parts_of(f) for f in features}
    asked = sorted({p for ps in pieces.values() for p in ps})
    answers = {r["name"]: r for r in resolve(asked).to_dict("records")}
    rows = []
    for f in features:
        found = [answers[p] for p in pieces[f]]
        named = [r["metabolite"] or p for r, p in zip(found, pieces[f], strict=True)]
        one = found[0]
        status = str(one["status"])
        if len(found) > 1 or _HEX.match(f):
            status = "isomers"
        joined = {k: "|".join(sorted({v for r in found for v in r[k]})) for k in ("hmdb", "kegg", "chebi")}
        rows.append({"feature": f, "metabolite": "/".join(named) if any(r["metabolite"] for r in found) else "",
                     **joined, "status": status, "isomer_group": "/".join(sorted(set(named))),
                     "note": str(one["note"]), "source": str(one["source"])})  # fmt: skip
    out = pd.DataFrame(rows, columns=[c for c in COLUMNS if c != "group_size"])
    out["group_size"] = out.groupby("isomer_group")["feature"].transform("count") if len(out) else 0
    return out.loc[:, list(COLUMNS)]


@analysis(
    title="Metabolites without a known name",
    formula="No formula: the names that metabolite_names did not resolve",
    oracle="No outside reference: it computes nothing (tests/omics/test_metabolome.py)",
    limits="A name that is missing here may still be resolved wrongly; look at metabolite_names.",
)
def metabolite_unmapped(metabolite_names: pd.DataFrame) -> pd.DataFrame:
    """Features that resolve to no compound or to several: feature, status, note."""
    bare = metabolite_names["status"].isin(["unknown", "ambiguous"])
    return metabolite_names.loc[bare, ["feature", "status", "note"]].reset_index(drop=True)
