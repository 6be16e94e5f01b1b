"""JASPAR: position frequency matrices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import lines

if TYPE_CHECKING:
    import pandas as pd

_ROW = re.compile(r"^\s*([ACGT])\s*\[(.*)\]\s*$")


def jaspar(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """Matrices in JASPAR format; one row per matrix and position with the counts of the four bases."""
    import pandas as pd

    parts = []
    with lines(paths[0]) as stream:
        head: tuple[str, str] | None = None
        counts: dict[str, list[float]] = {}
        for n, line in enumerate(stream, start=1):
            if line.startswith(">"):
                if head:
                    parts.append(_matrix(head, counts, paths[0].name))
                identifier, _, name = line[1:].strip().partition("\t")
                head, counts = (identifier.strip(), name.strip() or identifier.strip()), {}
            elif found := _ROW.match(line):
                counts[found[1]] = [float(x) for x in found[2].split()]
            elif line.strip():
                raise FormatError(f"{paths[0].name}: line {n} is not part of a matrix in JASPAR format.")
        if head:
            parts.append(_matrix(head, counts, paths[0].name))
    if not parts:
        raise FormatError(f"{paths[0].name} holds no matrix in JASPAR format.")
    return pd.concat(parts, ignore_index=True), ""


def _matrix(head: tuple[str, str], counts: dict[str, list[float]], file: str) -> pd.DataFrame:
    import pandas as pd

    if set(counts) != set("ACGT") or len({len(v) for v in counts.values()}) != 1:
        raise FormatError(f"{file}: matrix {head[0]} does not have four rows (A, C, G, T) of one length.")
    frame = pd.DataFrame({b.lower(): counts[b] for b in "ACGT"})
    # a heterodimer is written FOS::JUN, a variant FOS(var.2): the genes are what is left
    genes = "|".join(re.sub(r"\(.*?\)", "", part).upper() for part in head[1].split("::"))
    frame.insert(0, "matrix", head[0])
    frame.insert(1, "name", head[1])
    frame.insert(2, "genes", genes)
    frame.insert(3, "position", range(1, len(frame) + 1))
    return frame
