"""The command line. Every command is a few lines here; what it does lives in the library.

Exit status: 0 all well; 1 some analysis failed (the rest is there, the failures are named); 2 the input has faults
(nothing was run); 130 interrupted. Heavy imports happen inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rechallenge import __version__, hidden
from rechallenge.knowledge.commands import app as knowledge

if TYPE_CHECKING:
    from rechallenge.faults import Fault
    from rechallenge.record import RunRecord

app = typer.Typer(
    name="rechallenge",
    help="Find what makes a tumour resist a drug, and what makes it sensitive again.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(knowledge, name="knowledge")

StudyDir = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds study.toml.")]
OutDir = Annotated[Path | None, typer.Option("--out", metavar="OUT", help="Where results go; by default DIR/results.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Worker processes; 1 runs everything inline.")]
DaskAddress = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Use the Dask cluster at this address.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Only this analysis or stream, and what it needs; may be repeated."),
]


def _say(text: str = "", *, err: bool = False) -> None:
    """Print a text of which parts come from the study: what would steer the terminal is shown, not obeyed."""
    typer.echo(hidden.spelled(text), err=err)


def _version(value: bool) -> None:
    if value:
        _say(f"rechallenge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the simulated study goes.")] = Path(
        "rechallenge-demo"
    ),
    study: Annotated[
        str,
        typer.Option(
            "--study", metavar="NAME", help="whole (every assay), viability (plates alone), or a published study."
        ),
    ] = "whole",
    scenario: Annotated[
        str,
        typer.Option("--scenario", metavar="NAME", help="driver, no_driver, no_expression, no_clinic or contradicted."),
    ] = "driver",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulated noise.")] = 0,
    size: Annotated[str, typer.Option("--size", metavar="SIZE", help="full or small.")] = "full",
    jobs: Jobs = 1,
) -> None:
    """Write a simulated study with a known answer, run it, and print what was recovered against what was planted."""
    from rechallenge import demonstration

    written = demonstration.write(folder, study=study, scenario=scenario, seed=seed, size=size)
    _say(f"A simulated study is in {written}: {demonstration.STUDIES[study]}. Nothing in it was measured.")
    record = _run(written, out=None, jobs=jobs, dask=None, only=())
    _say("")
    _say(demonstration.compare(record))
    _finish(record)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make; must not hold a study yet.")],
    table: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="KIND", help="A table kind to prepare; may be repeated. Default: viability."),
    ] = None,
) -> None:
    """Scaffold a study: a commented study.toml and one empty table per kind wanted."""
    from rechallenge import scaffold

    for path in scaffold.write(folder, tuple(table or ("viability",))):
        _say(f"wrote {path}")
    _say(f"Fill the tables, then: rechallenge check {folder}")


@app.command()
def check(folder: StudyDir) -> None:
    """Validate the study file and every table; run nothing."""
    from rechallenge import checks
    from rechallenge.faults import errors

    found = checks.check(folder)
    for line in found.summary():
        _say(line)
    _print_faults(found.faults)
    bad = errors(found.faults)
    if bad:
        raise typer.Exit(2)
    _say("The input is in order." if not found.faults else "Nothing stops a run.")


@app.command()
def run(
    folder: StudyDir,
    out: OutDir = None,
    jobs: Jobs = 1,
    dask: DaskAddress = None,
    only: Only = None,
) -> None:
    """Bring every result of the study up to date and write the report."""
    record = _run(folder, out=out, jobs=jobs, dask=dask, only=tuple(only or ()))
    _finish(record)


@app.command()
def library(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that the studies' folders lie in.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="OUT", help="Results go to OUT/STUDY; by default into each study.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, metavar="N", help="Studies at a time.")] = 1,
    dask: DaskAddress = None,
) -> None:
    """Bring every study in a folder up to date, each alone, and write one table of how they ended."""
    from rechallenge.bulk import run_library
    from rechallenge.progress import Bar

    with Bar() as bar:
        made = run_library(folder, out, jobs=jobs, dask=dask, progress=bar)
    counts = made.table["state"].value_counts()
    typer.echo(
        f"{len(made.table)} studies: {', '.join(f'{n} {s}' for s, n in counts.items())}, in {made.seconds:.1f} s."
    )
    for row in made.unwell.itertuples():
        typer.echo(f"  {row.state}: {row.study}: {row.reason}", err=True)
    typer.echo(f"Summary: {made.summary}")
    if len(made.unwell):
        raise typer.Exit(1)


@app.command()
def curves(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Viabilities, a row per well: .csv, .tsv or .parquet, of any size.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="Folder for the results.")],
    jobs: Jobs = 1,
    dask: DaskAddress = None,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="What a worker may use, e.g. 2GB.")] = "2GB",
    bootstraps: Annotated[
        int,
        typer.Option("--bootstraps", min=0, metavar="N", help="Intervals from N resamples; 0: by inversion (better)."),
    ] = 0,
    csv: Annotated[bool, typer.Option("--csv", help="Write curves.csv beside curves.parquet.")] = False,
) -> None:
    """Fit every curve of a large screen over workers of bounded memory; one row per curve."""
    from rechallenge.bulk import fit_table
    from rechallenge.outputs import csv_bytes
    from rechallenge.progress import Bar
    from rechallenge.store import write_atomic

    with Bar() as bar:
        made = fit_table(table, out, jobs=jobs, dask=dask, memory=memory, bootstraps=bootstraps, progress=bar)
    typer.echo(
        f"{made.n_curves:,} curves of {made.rows:,} rows in {made.n_parts} parts ({made.computed} computed, "
        f"{made.n_parts - made.computed - made.failed} up to date, {made.failed} failed), in {made.seconds:.1f} s."
    )
    if made.empty:
        typer.echo(f"  {made.empty:,} rows have no dose or no viability and were not used.")
    if len(made.left_out):
        typer.echo(f"  {len(made.left_out):,} curves have no result: {made.out / 'left_out.csv'}")
    if made.peak:
        typer.echo(f"  memory of a worker at its peak: {made.peak / 1e9:.2f} GB of {made.budget / 1e9:.2f} GB")
    if csv:
        write_atomic(made.out / "curves.csv", csv_bytes(made.curves))
    typer.echo(f"Curves: {made.out / ('curves.csv' if csv else 'curves.parquet')}")
    if made.failed:
        raise typer.Exit(1)


@app.command()
def explain(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Results folder of a run.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="A gene, a drug or a pair.")],
) -> None:
    """The case for and against one gene, drug or pair, from the results of a run."""
    from rechallenge.report import explain as explaining

    _say(explaining.explain(out, name))


@app.command()
def surface(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Results folder of a run.")],
    model: Annotated[str, typer.Option("--model", metavar="M", help="Only this model.")] = "",
    pair: Annotated[str, typer.Option("--pair", metavar='"A + B"', help="Only this pair of drugs.")] = "",
    method: Annotated[str, typer.Option("--method", metavar="NAME", help="bliss, hsa, loewe or zip.")] = "bliss",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE.html", help="The page to write; by default in OUT.")
    ] = None,
) -> None:
    """Write the dose-response surface of a combination as a page that turns; where several are meant, the clearest."""
    from rechallenge.surface import write_page

    _say(f"Surface: {write_page(out, model=model, pair=pair, method=method, to=to)}")


@app.command(name="list")
def list_() -> None:
    """Analyses: what each needs and gives."""
    from rechallenge.analysis import discover

    registry = discover()
    rows = [
        (s.name, s.stream, ", ".join((*s.needs, *(f"[{w}]" for w in s.wants))), s.title)
        for s in registry.steps.values()
        if s.kind == "analysis"
    ]
    _print_table(("analysis", "stream", "from", "what it is"), rows)
    _say(f"\nTable kinds: {', '.join(registry.contracts)}. See: rechallenge contract KIND")


@app.command()
def contract(kind: Annotated[str, typer.Argument(metavar="KIND", help="A table kind, e.g. viability.")]) -> None:
    """The columns of a table kind."""
    from rechallenge import scaffold

    one = scaffold.contract(kind)
    _say(f"{one.name}: {one.about}\n")
    _print_table(("column", "", "unit", "what it is"), scaffold.contract_rows(one))
    for group in [g for g in one.either if len(one.either) > 1]:
        _say(f"either: {', '.join(group)}")
    if one.example:
        _say(f"\nFor example:\n{one.example.strip()}")


def _run(folder: Path, *, out: Path | None, jobs: int, dask: str | None, only: tuple[str, ...]) -> RunRecord:
    from rechallenge import outputs, pipeline
    from rechallenge.progress import Bar

    with Bar() as bar:
        record = pipeline.run(folder, out, jobs=jobs, dask=dask, only=only, progress=bar)
    outputs.write(record)
    return record


def _finish(record: RunRecord) -> None:
    warnings = [f for f in record.faults if f.severity == "warning"]
    _print_faults(warnings)
    done = sum(s.state == "done" for s in record.steps)
    cached = sum(s.state == "cached" for s in record.steps)
    skipped = [s for s in record.steps if s.state == "skipped" and s.kind == "analysis"]
    _say(f"{done} steps computed, {cached} up to date, {len(record.failed)} failed, in {record.seconds:.1f} s.")
    for step in skipped:
        _say(f"  not run: {step.name}: {step.reason}")
    for step in record.failed:
        _say(f"  FAILED: {step.name}: {step.reason}", err=True)
    _say(f"Report: {record.out / 'report.html'}")
    if record.failed:
        raise typer.Exit(1)


def _print_faults(faults: list[Fault] | tuple[Fault, ...]) -> None:
    from rechallenge.faults import by_place

    for f in by_place(faults):
        _say(f"{f.severity}: {f}", err=f.severity == "error")


def _print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A plain table as wide as the terminal; the last column wraps."""
    import shutil
    import textwrap

    widths = [max([len(h), *(len(r[i]) for r in rows)]) for i, h in enumerate(heads[:-1])]
    room = max(24, shutil.get_terminal_size((100, 24)).columns - sum(widths) - 2 * len(widths))
    for row in [heads, *rows]:
        first, *rest = textwrap.wrap(row[-1], room) or [""]
        _say("  ".join([c.ljust(w) for c, w in zip(row, widths, strict=False)] + [first]).rstrip())
        for line in rest:
            _say(" " * (sum(widths) + 2 * len(widths)) + line)


def main(args: list[str] | None = None) -> None:
    """Entry point. No traceback ever reaches the user: what is unexpected goes to a file that is named."""
    from rechallenge.faults import InputFaults, RechallengeError

    try:
        app(args)
    except InputFaults as e:
        _print_faults(e.faults)
        n = sum(f.severity == "error" for f in e.faults)
        _say(f"{n} fault{'s' if n != 1 else ''} in the input; nothing was run.", err=True)
        sys.exit(2)
    except RechallengeError as e:
        _say(f"error: {e}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        _say("Interrupted. What was finished is kept; run again to go on.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as e:
        if e.filename is None:
            _say(_unexpected(e), err=True)
        else:
            _say(f"error: {e.filename}: {e.strerror or e}. Check the disk and permissions, and run again.", err=True)
        sys.exit(1)
    except Exception as e:  # noqa: BLE001 - the last line of defence; the traceback is kept in a file
        _say(_unexpected(e), err=True)
        sys.exit(1)


def _unexpected(e: Exception) -> str:
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(e))
    place = "could not be kept, because no file could be written"
    with suppress(OSError):
        with tempfile.NamedTemporaryFile(
            "w", prefix="rechallenge-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(f"rechallenge {__version__}, python {sys.version}\narguments: {sys.argv[1:]}\n\n{text}")
        place = f"are in {log.name}"
    reason: Any = str(e) or type(e).__name__
    return f"Something unexpected went wrong ({type(e).__name__}: {reason}). The details {place}."


if __name__ == "__main__":
    main()
