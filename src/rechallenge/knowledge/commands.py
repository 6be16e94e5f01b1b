"""`rechallenge knowledge`: what is known, where it comes from, and bringing more of it here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rechallenge.knowledge.downloading import Progress

app = typer.Typer(
    help="Knowledge tables: version, licence, source, what is installed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of knowledge tables.")]
One = Annotated[str, typer.Argument(metavar="NAME", help="Name of a knowledge table.")]


def _width() -> int:
    import shutil

    return max(60, min(100, shutil.get_terminal_size((92, 24)).columns))


@app.command(name="list")
def list_() -> None:
    """Every table: version, size, checksum, what its licence allows, whether it is here, how to cite it."""
    import textwrap

    from rechallenge.knowledge import catalogue, tables
    from rechallenge.knowledge.places import data_folder, mirror

    width = _width()
    for group, members in catalogue.groups():
        typer.echo(group)
        for one in members:
            record = tables.provenance(one.name)
            if one.starter:
                state = f"in the package, {record['rows'] if record else 0:,} rows"
            elif record:
                state = f"installed, {record['rows']:,} rows, {record['version']}"
            else:
                size = f"{one.size / 1e6:.1f} MB" if one.size else "size unknown"
                state = f"not installed ({one.version}, {size})"
            typer.echo(f"  {one.name:24s}{state}"[:width])
            if record:
                checksum = f"SHA-256 {record['sha256'][:16]}..."
            else:
                checksum = "known" if all(s.sha256 for s in one.sources) else "recorded at the first fetch"
            lines = [one.title, one.permission(), f"Checksum: {checksum}. Cite: {one.citation}"]
            if one.unverified:
                lines.append("Not verified: " + "; ".join(one.unverified) + ".")
            for line in lines:
                typer.echo(textwrap.fill(line, width, initial_indent=" " * 6, subsequent_indent=" " * 8))
    typer.echo(f"\nInstalled tables are in {data_folder()}")
    if mirror():
        typer.echo(f"Files are fetched from the mirror {mirror()}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A drug, gene, cell line, metabolite or table.")],
) -> None:
    """Everything the tables say of one drug, gene, cell line, metabolite, gene set or table, with sources."""
    from rechallenge.knowledge.questions import describe

    typer.echo(describe(name, _width()))


@app.command()
def fetch(
    names: Names,
    again: Annotated[bool, typer.Option("--again", help="Fetch even what is installed.")] = False,
    accept_changed: Annotated[
        bool, typer.Option("--accept-changed", help="Accept a file whose checksum differs from the known one.")
    ] = False,
) -> None:
    """Download tables from their official address (or RECHALLENGE_MIRROR), check them and store them."""
    from rechallenge.knowledge import catalogue, fetching

    for name in names:
        catalogue.get(name)
    for name in names:
        with _Bar() as bar:
            record = fetching.fetch(name, again=again, accept_changed=accept_changed, progress=bar, say=typer.echo)
        _report(record)


@app.command()
def add(
    name: One,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Local copy of the published file or files.")],
    version: Annotated[str, typer.Option("--version", help="Version of the copy, if you know it.")] = "",
) -> None:
    """Take a local copy of a table's published file; the same parsing as fetch."""
    from rechallenge.knowledge import fetching

    _report(fetching.add(name, *files, version=version))


@app.command()
def remove(name: One) -> None:
    """Delete an installed table."""
    from rechallenge.knowledge import installing

    typer.echo(f"{name} removed." if installing.remove(name) else f"{name} is not installed.")


def _report(record: dict[str, object]) -> None:
    typer.echo(f"{record['name']}: {record['rows']:,} rows, version {record['version']}, fetched {record['date']}.")
    files = record["files"]
    for one in files if isinstance(files, list) else []:
        typer.echo(f"  {one['file']}: SHA-256 {one['sha256'][:16]}... ({one['checked']})")
    typer.echo(f"  Cite: {record['citation']}")


class _Bar:
    """A progress bar on standard error, where that is a terminal; a callback for downloads."""

    def __init__(self) -> None:
        import sys

        self._shown = sys.stderr.isatty()
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> Progress:
        if not self._shown:
            return lambda file, done, total: None
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        return self._update

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            self._bar.stop()

    def _update(self, file: str, done: int, total: int) -> None:
        from rich.progress import TaskID

        if file not in self._tasks:
            self._tasks[file] = self._bar.add_task(file, total=total or None)
        self._bar.update(TaskID(self._tasks[file]), completed=done, total=total or None)
