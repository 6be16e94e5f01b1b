"""Runs the checks and writes `docs/reference/validation.md` with its table `validation.csv` beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.validation import coverage, nulls, published, reference_data
from benchmarks.validation.rows import COLUMNS, KINDS, Row, table
from rechallenge import __version__

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "reference"
RECORD = DOCS / "validation.csv"
SHARED = ROOT.parent / "shared"

HEAD = """# Validation

Written by one command; numbers come from its run and from nowhere else:

```console
$ make validation
```

**{held} of {judged} checks hold.** {failing}

- The **quick set** ({quick} rows) was computed by version {version}, from fixed seeds, and needs no file: about a
  minute of one processor core, more on the first run, which compiles. `python -m benchmarks.validation --quick`
  computes it again and says what comes out otherwise than here.
- The **full set** ({full} rows) needs real experiments and the output of the reference software, which are not
  distributed with the project: {full_said}.

Each row names the test or command that repeats it. [What was measured](measured.md) is the long record with every
condition; the limits of each analysis stand on [its page](analyses.md).

A share holds where it lies within 3.3 binomial standard errors of its target, and of the points that are added where a
test is asymptotic. "At most" is asked where a test is known to be on the safe side. The tables are kept as
`docs/reference/validation.csv` too.
"""


def quick() -> list[Row]:
    """What needs no file."""
    rows: list[Row] = []
    for module in (published, nulls, coverage):
        for check in module.CHECKS:
            made = check()
            rows += [made] if isinstance(made, Row) else (made or [])
    return rows


def full(shared: Path) -> list[Row]:
    """What needs the reference data."""
    return [row for check in reference_data.CHECKS for row in check(shared)]


def render(made: pd.DataFrame) -> str:
    """The page of the rows."""
    judged = made[made["held"] != "shown"]
    off = judged[judged["held"] == "no"]
    failing = "" if off.empty else "Those that do not are marked **no**, with the reason."
    parts = made[made["set"] == "full"]
    versions = sorted(set(parts["version"]))
    said = "not recorded" if parts.empty else f"recorded with version {', '.join(versions)}"
    out = [
        HEAD.format(
            held=int((judged["held"] == "yes").sum()), judged=len(judged), failing=failing,
            quick=int((made["set"] == "quick").sum()), full=len(parts), full_said=said, version=__version__,
        )
    ]  # fmt: skip
    for kind, title in KINDS.items():
        for name, heading in (("quick", ""), ("full", " (full set)")):
            rows = made[(made["kind"] == kind) & (made["set"] == name)]
            if len(rows):
                out.append(f"## {title}{heading}\n\n{_markdown(rows)}")
    return "\n\n".join(out) + "\n"


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| what | reference | expected | here | n | holds | repeat |", "|---|---|---|---|---|---|---|"]
    for r in rows.itertuples():
        held = {"yes": "yes", "no": "**no**", "shown": "not used"}[str(r.held)] + (f": {r.known}" if r.known else "")
        repeat = f"`{r.repeat}`"
        cells = (r.what, r.source, r.expected, r.got, f"{r.n:,}", held, repeat)
        lines.append("| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines)


def record() -> pd.DataFrame:
    """The rows as they were last written."""
    return pd.read_csv(RECORD, dtype=str, keep_default_na=False).astype({"n": int})


def write(rows: Iterable[Row], kept: pd.DataFrame | None) -> pd.DataFrame:
    """Write table and page; `kept` are recorded rows that were not computed now."""
    made = table(list(rows)).assign(version=__version__)
    if kept is not None:
        made = pd.concat([made, kept], ignore_index=True)
    made = made[[*COLUMNS, "version"]]
    made.to_csv(RECORD, index=False, lineterminator="\n")
    (DOCS / "validation.md").write_text(render(made), encoding="utf-8")
    return made


def main(arguments: Iterable[str] = ()) -> None:
    """Run the sets and write the page; with --quick only print the quick set and where it differs from the page."""
    rows = quick()
    if "--quick" in arguments:
        made = table(rows)
        print(made[["kind", "what", "expected", "got", "n", "held"]].to_string(index=False))
        old = record().query("set == 'quick'").set_index("what")["got"]
        differ = [r.what for r in rows if old.get(r.what) != r.got]
        print("\nAs on the page." if not differ else "\nOtherwise on the page: " + "; ".join(differ))
        return
    if SHARED.is_dir():
        made = write([*rows, *full(SHARED)], None)
    else:
        print("The reference data folder ../shared is not here: the full set keeps its recorded rows.")
        made = write(rows, record().query("set == 'full'") if RECORD.is_file() else None)
    judged = made[made["held"] != "shown"]
    print(f"{(judged['held'] == 'yes').sum()} of {len(judged)} checks hold. Written: {DOCS / 'validation.md'}")
    for r in judged[judged["held"] == "no"].itertuples():
        print(f"  does not hold: {r.what}: expected {r.expected}, got {r.got}. {r.known}")
