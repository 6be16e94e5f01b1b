"""Gene sets in GMT: one line per set, its name, a description or address, its genes, separated by tabs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import lines

if TYPE_CHECKING:
    import pandas as pd


def gmt(paths: list[Path], prefix: str = "", genes: str = "symbol") -> tuple[pd.DataFrame, str]:
    """One row per set and gene. `prefix` is dropped from set names; `genes` says which identifier the file uses.

    Names of the form "title%source%id%species" (WikiPathways) are taken apart, and "title (GO:0000001)" likewise.
    """
    import pandas as pd

    rows: list[tuple[str, str, str, str]] = []
    named = re.search(r"\.v([\w.]+?)\.(?:symbols|entrez)\.gmt", paths[0].name)
    version = named[1] if named else ""
    with lines(paths[0], ".gmt") as stream:
        for n, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            name, *rest = line.rstrip("\n").split("\t")
            if len(rest) < 2:
                raise FormatError(
                    f"{paths[0].name}: line {n} is not a gene set (a name, a description and genes between tabs)."
                )
            about, *members = rest
            identifier = ""
            if name.count("%") >= 3:
                name, release, identifier, _ = name.split("%", 3)
                version = release.rpartition("_")[2] or version
            elif name.endswith(")") and "(GO:" in name:
                name, _, identifier = name.rpartition(" (")
                identifier = identifier.rstrip(")")
            elif about.startswith("R-HSA-"):
                identifier = about
            name = name.removeprefix(prefix)
            seen = dict.fromkeys(m.split(",")[0].strip() for m in members)
            rows += [(name, identifier or about, gene, genes) for gene in seen if gene]
    return pd.DataFrame(rows, columns=["set", "identifier", "gene", "gene_id"]), version
