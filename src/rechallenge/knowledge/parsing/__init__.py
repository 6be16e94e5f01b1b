"""Parsers: from a resource's published files to one documented table.

A parser takes the paths of the files in the catalogue's order (and the options of its catalogue entry) and gives a
frame that holds at least the documented columns, and the version that the files state ('' where they state none).
All values may be text; `shaped` gives them the documented types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge.catalogue import Resource
from rechallenge.knowledge.errors import FormatError

if TYPE_CHECKING:
    import pandas as pd

Parser = Callable[..., "tuple[pd.DataFrame, str]"]


@lru_cache(maxsize=1)
def parsers() -> Mapping[str, Parser]:
    """Every parser by the name that the catalogue uses."""
    from rechallenge.knowledge.parsing import cells, cohorts, drugs, evidence, genes, metabolism, motifs, networks, sets

    return {
        "cellosaurus": cells.cellosaurus,
        "iclac": cells.iclac,
        "drugcentral_targets": drugs.drugcentral_targets,
        "drugcentral_structures": drugs.drugcentral_structures,
        "drugcentral_approvals": drugs.drugcentral_approvals,
        "open_targets_drugs": drugs.open_targets_drugs,
        "open_targets_mechanisms": drugs.open_targets_mechanisms,
        "dilirank": evidence.dilirank,
        "civic": evidence.civic,
        "hgnc": genes.hgnc,
        "hpa_secretome": genes.hpa_secretome,
        "humangem_metabolites": metabolism.humangem_metabolites,
        "humangem_reactions": metabolism.humangem_reactions,
        "jaspar": motifs.jaspar,
        "collectri": networks.collectri,
        "progeny": networks.progeny,
        "string_links": networks.string_links,
        "targetscan": networks.targetscan,
        "gmt": sets.gmt,
        "geo_samples": cohorts.geo_samples,
        "cbioportal_clinical": cohorts.cbioportal_clinical,
        "xena_survival": cohorts.xena_survival,
        "xena_matrix": cohorts.xena_matrix,
        "tcga_cdr": cohorts.tcga_cdr,
    }


def shaped(resource: Resource, frame: pd.DataFrame) -> pd.DataFrame:
    """The documented columns, in order, with their types: numbers as float64, integers as Int64, the rest as text
    ('' = not given; list items joined by `|`). FormatError where the table is empty or a number is not one."""
    import pandas as pd

    if not len(frame):
        raise FormatError(f"{resource.name}: the file holds no usable row; its format may have changed.")
    out: dict[str, Any] = {}
    for column in resource.columns:
        values = frame[column.name].reset_index(drop=True)
        if column.kind in ("number", "integer"):
            text = values.astype(str).str.strip().replace({"nan": "", "None": "", "<NA>": ""})
            numbers = pd.to_numeric(text.where(text != ""), errors="coerce")
            wrong = numbers.isna() & (text != "")
            if wrong.any():
                raise FormatError(
                    f"{resource.name}: column {column.name!r} should be numbers but holds {text[wrong].iloc[0]!r} "
                    f"({int(wrong.sum())} such rows); the format has changed."
                )
            out[column.name] = numbers.astype("Int64") if column.kind == "integer" else numbers.astype("float64")
        else:
            out[column.name] = values.fillna("").astype(str).str.strip()
    return pd.DataFrame(out)
