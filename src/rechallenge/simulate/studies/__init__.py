"""One simulated study per published work: its design and its published numbers as planted truth.

The numbers that the works print are named by their fact in the comments (S001-..., S000-..., S002-..., S003-...); what
they do not print (slopes, noise, most effect sizes) is planted by us. Nothing here was measured.
"""

from __future__ import annotations

from pathlib import Path

from rechallenge.simulate import celastrol
from rechallenge.simulate.plan import Size
from rechallenge.simulate.studies import akr1b1, cav1, ilf3
from rechallenge.simulate.whole import Streams, save, write_whole

#: name -> what is in it
ABOUT = {
    "akr1b1": "AKR1B1 and epalrestat in lenvatinib- and sorafenib-resistant Huh-7",
    "ilf3": "lefamulin, ILF3 and MRPL12 in sorafenib-resistant HepG2",
    "cav1": "CAV1, its microRNA and the inhibitors of AXL and FGFR4 beside kinase inhibitors",
    "celastrol": "low-dose celastrol, interleukin 6 and acquired resistance to sorafenib",
}
_STREAMS: dict[str, Streams] = {"akr1b1": akr1b1.STREAMS, "ilf3": ilf3.STREAMS, "cav1": cav1.STREAMS}
_STORIES = {"akr1b1": akr1b1.STORY, "ilf3": ilf3.STORY, "cav1": cav1.STORY}
#: how much is measured in each (the fourth knows its number of replicates alone)
SIZES = {"akr1b1": akr1b1.SIZES, "ilf3": ilf3.SIZES, "cav1": cav1.SIZES}


def write(name: str, folder: str | Path, *, seed: int = 0, size: str | Size = "full") -> Path:
    """Write the study of this name (a key of `ABOUT`) into `folder` and return it. `size` is "full", "small" or a
    `Size`. Raises KeyError for another name, InputFaults where the folder holds a study that no simulation wrote."""
    if name == "celastrol":
        return _celastrol(Path(folder), seed, size)
    chosen = SIZES[name][size] if isinstance(size, str) else size
    return write_whole(folder, seed=seed, size=chosen, story=_STORIES[name], streams=_STREAMS[name])


def _celastrol(folder: Path, seed: int, size: str | Size) -> Path:
    from rechallenge.simulate.whole import free

    free(folder)
    (folder / "study.toml").unlink(missing_ok=True)
    celastrol.write_study(folder, seed=seed, replicates=5 if size == "full" else 3)
    rows = ["table,what,planted", *(f'{k},"{what}","{v}"' for (k, what), v in celastrol.TRUTH.items())]
    save(folder / "planted.csv", "\n".join(rows) + "\n")
    return folder
