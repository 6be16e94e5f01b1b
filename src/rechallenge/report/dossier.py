"""The dossier: one HTML file that holds a whole run, works offline and prints well.

`render(record)` is a pure function of the record. The page asks nothing of the network: its scripts and styles are
inside it, allowed by their digests in a Content-Security-Policy that forbids everything else. Text of the study is
escaped by the template engine; figures are static pictures first (so the page is whole without scripts and on paper)
and become interactive when scrolled near.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from rechallenge import hidden
from rechallenge.faults import Fault
from rechallenge.record import FigureRecord, RunRecord
from rechallenge.report import case, words
from rechallenge.report.answer import FRONT, answer
from rechallenge.report.claims import ClaimView, claim_views, source_lines
from rechallenge.report.methods import doi_of, methods, undone
from rechallenge.report.style import DOUBLE, PT_PER_MM
from rechallenge.report.tabular import TableView, view

if TYPE_CHECKING:
    import jinja2

#: rows of a result table and claims of a stream printed in the page; the rest is in the files beside it
ROWS, CLAIMS, EXCLUDED = 100, 60, 300
#: a static picture or specification larger than this (bytes) is replaced by a bitmap, or left to the files
HEAVY_PICTURE, HEAVY_SPEC = 400_000, 2_000_000
#: figures of a stream that are shown at once and can be explored; the further ones are static pictures behind a click
FIGURES = 12


def render(record: RunRecord, *, source: Mapping[str, pd.DataFrame] | None = None) -> str:
    """The dossier of a run as one HTML text.

    `source` may give the study's own tables as read (kind -> frame with the columns `_file` and `_row`): then each
    claim opens the rows that it came from, not their numbers alone.
    """
    ids = _Ids()
    figures = _figures(record, ids)
    tables, front = _tables(record, ids)
    streams = _streams(record, figures, tables, ids, case.cited(record))
    anchors = {c.place: (c.id, c.sentence) for s in streams for c in s["claims"]}
    specs = {f["id"]: f["spec"] for f in figures if f["spec"]}
    cited = source_lines([c for s in streams for c in s["claims"]], source or {})
    scripts = [s for s in (_bundle() if specs else "", _asset("dossier.js")) if s]
    style = _asset("dossier.css")
    page = (
        _environment()
        .get_template("dossier.html.j2")
        .render(
            record=record,
            study=record.study,
            answer=answer(record),
            anchors=ids.given,
            front=front,
            front_figures={name: [f for f in figures if f["place"] == f"front:{name}"] for name in FRONT},
            chain_links=case.chain_views(record, anchors),
            reasons=case.reasons(record, anchors),
            streams=streams,
            quality=[t for t in tables.values() if t.place == "quality"],
            quality_figures=[f for f in figures if f["place"] == "quality"],
            others=[t for t in tables.values() if t.place == ""],
            models=_models(record),
            faults={s: [_fault(f) for f in record.faults if f.severity == s] for s in ("error", "warning", "note")},
            step_warnings=[(s.title, w) for s in record.steps for w in s.warnings],
            excluded=_excluded(record),
            not_done=undone(record),
            settings=[said for name, value in record.settings.items() if (said := words.setting(name, value))],
            methods=methods(record),
            policy=_policy(scripts, style),
            style=style,
            scripts=scripts,
            specs=[(i, _json(_for_screen(spec))) for i, spec in specs.items()],
            source=_json(cited) if cited else "",
        )
    )
    return page if page.endswith("\n") else page + "\n"


# assembling -----------------------------------------------------------------------------------------------------


class _Ids:
    """Identifiers for anchors: plain, unique, the same on every run."""

    def __init__(self) -> None:
        self.given: set[str] = set()

    def __call__(self, kind: str, name: str) -> str:
        stem = f"{kind}-{words.file_name(name).replace('.', '_')}"
        one, i = stem, 2
        while one in self.given:
            one, i = f"{stem}-{i}", i + 1
        self.given.add(one)
        return one


class _Table:
    """A table with its place on the page and what is known of the analysis that gave it."""

    def __init__(self, shown: TableView, id: str, place: str, step: Any, file: str):
        self.view, self.id, self.place, self.step, self.file = shown, id, place, step, file


def _tables(record: RunRecord, ids: _Ids) -> tuple[dict[str, _Table], list[_Table]]:
    givers = {name: s for s in record.steps if s.kind == "analysis" for name in (s.outputs or (s.name,))}
    found: dict[str, _Table] = {}
    for name, frame in record.tables.items():
        step = givers.get(name)
        title = words.title(name)
        if step is not None:
            title = step.title if len(step.outputs) < 2 else f"{step.title}: {words.title(name).lower()}"
        place = "stream:" + words.section(step.stream) if step is not None else ""
        if "quality" in name:
            place = "quality"
        if name in FRONT:
            title, place = FRONT[name], "front"
        shown = view(name, frame, title=title, most=ROWS)
        if frame.shape[1]:
            found[name] = _Table(shown, ids("table", name), place, step, f"tables/{quote(name, '')}.csv")
    front = [found[name] for name in FRONT if name in found and found[name].view.total]
    for t in front:
        if t.view.name in ("candidates", "drugs", "combinations"):
            t.file = f"{t.view.name}.csv"
    return found, front


def _streams(
    record: RunRecord, figures: list[dict[str, Any]], tables: Mapping[str, _Table], ids: _Ids, cited: set[int]
) -> list[dict[str, Any]]:
    out = []
    for name in _stream_names(record):
        mine = [f for f in figures if f["place"] == f"stream:{name}"]
        shown = [t for t in tables.values() if t.place == f"stream:{name}"]
        rows = record.evidence[record.evidence["stream"].map(words.section) == name]
        links = {f["id"]: (f"Figure {f['number']}", f["about"]) for f in mine if not f["further"]}
        table_ids = {t.view.name: (t.id, t.view.title) for t in tables.values()}
        claims: list[ClaimView] = claim_views(rows, links, table_ids, ids, most=CLAIMS, cited=cited)
        if mine or shown or claims:
            out.append(
                {
                    "id": ids("stream", name),
                    "title": words.title(name),
                    "figures": mine,
                    "tables": shown,
                    "claims": claims,
                    "claims_total": len(rows),
                }
            )
    return out


def _stream_names(record: RunRecord) -> list[str]:
    """Sections of the page in the order in which they are read."""
    streams = [*(s.stream for s in record.steps), *(f.stream for f in record.figures), *record.evidence["stream"]]
    return words.in_order(streams)


def _figures(record: RunRecord, ids: _Ids) -> list[dict[str, Any]]:
    """All figures, numbered in the order of the page: the case, stream by stream, what judges the data."""
    steps = {s.name: s for s in record.steps}
    same = Counter((f.step, f.title) for f in record.figures)
    seen: Counter[tuple[str, str]] = Counter()
    made: list[dict[str, Any]] = []
    places: Counter[str] = Counter()
    for f in record.figures:
        key = (f.step, f.title)
        seen[key] += 1
        title = f"{f.title} ({seen[key]} of {same[key]})" if same[key] > 1 else f.title
        about = (f.step, *(steps[f.step].inputs if f.step in steps else ()))
        judges = any(word in f.step for word in ("quality", "plate"))
        place = "quality" if judges else f"stream:{words.section(f.stream)}"
        if f.step in case.FIGURES and case.FIGURES[f.step] in record.tables:
            place = f"front:{case.FIGURES[f.step]}"
        places[place] += 1
        made.append({**_figure(f, title, further=places[place] > FIGURES), "place": place, "about": set(about)})
    order = {name: i for i, name in enumerate(_stream_names(record))}
    front = {f"front:{name}": i - len(FRONT) for i, name in enumerate(FRONT)}
    made.sort(key=lambda one: front.get(one["place"], order.get(one["place"].removeprefix("stream:"), len(order))))
    said: dict[str, int] = {}
    for n, one in enumerate(made, start=1):
        first = said.setdefault(one["caption"], n)
        one.update(id=ids("figure", one["name"]), number=n)
        if first != n and len(one["caption"]) > 60:
            one["caption"] = f"As in Figure {first}."
    return made


def _figure(figure: FigureRecord, title: str, *, further: bool = False) -> dict[str, Any]:
    """What the template needs of a figure; `spec` is None where it is too large to be drawn in the page.

    A `further` figure has no `spec`, and of its static pictures the smaller one.
    """
    svg, png = figure.files.get("svg", b""), figure.files.get("png", b"")
    picture = ""
    heavy = len(svg) > (min(HEAVY_PICTURE, len(png) * 4 / 3) if further else HEAVY_PICTURE)
    if svg and not (heavy and png):
        text = _rounded(svg.decode())
        text = text if "'" in text else text.replace('"', "'")  # which need not be escaped in an address
        picture = "data:image/svg+xml," + quote(text, safe=" !$()*+,/:;=?@~-_.'")
    elif png:
        picture = "data:image/png;base64," + base64.b64encode(png).decode()
    width = float(figure.spec.get("usermeta", {}).get("figure_width", 0) or 0) or _width_of(svg)
    light = not further and len(json.dumps(figure.spec)) <= HEAVY_SPEC
    stem = quote(figure.name, "")
    return {
        "name": figure.name,
        "title": title,
        "caption": figure.caption,
        "alt": ". ".join(t.rstrip(".") for t in (title, figure.caption) if t) + ".",
        "picture": picture,
        "further": further,
        "wide": width > DOUBLE * 0.75,
        "files": [
            (form.upper(), f"source_data/{stem}.csv" if form == "csv" else f"figures/{stem}.{form}")
            for form in ("svg", "pdf", "png", "csv")
            if form in figure.files
        ],
        "spec": dict(figure.spec) if light and figure.spec else None,
    }


def _rounded(svg: str) -> str:
    """A picture with places to a hundredth of a point, which is finer than any screen; scales and text as they are."""

    def short(found: re.Match[str]) -> str:
        return re.sub(r"\d+\.\d{3,}(?![\de])", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), found[0])

    return re.sub(r' (?:d|transform|x|y|x1|y1|x2|y2|width|height)="[^"]*"', short, svg) if "scale(" not in svg else svg


def _width_of(svg: bytes) -> float:
    found = re.search(rb'<svg[^>]* width="([\d.]+)mm"', svg)
    return float(found[1]) * PT_PER_MM if found else 0.0


def _fault(fault: Fault) -> dict[str, Any]:
    file = fault.file + (f" [{fault.sheet}]" if fault.sheet else "")
    place = [file, f"row {fault.row}" if fault.row is not None else "", fault.column]
    return {**asdict(fault), "place": ", ".join(p for p in place if p)}


def _models(record: RunRecord) -> list[dict[str, str]]:
    return [{"name": name, **{k: str(v) for k, v in m.model_dump().items()}} for name, m in record.study.models.items()]


def _excluded(record: RunRecord) -> dict[str, Any]:
    """What was left out on reading: counted by table and reason, then listed."""
    frame = record.excluded
    counts: list[tuple[str, str, int]] = []
    if len(frame) and {"kind", "reason"} <= set(frame.columns):
        pairs = Counter(zip(frame["kind"].astype(str), frame["reason"].astype(str), strict=True))
        counts = [(kind, reason, n) for (kind, reason), n in sorted(pairs.items())]
    listed = view("excluded", frame, title="What was left out", most=EXCLUDED) if len(frame) else None
    return {"total": len(frame), "counts": counts, "table": listed}


# the file -------------------------------------------------------------------------------------------------------


def _shown(value: Any) -> Any:
    """What a template writes, without characters that hide what a text says."""
    if not isinstance(value, str):
        return value
    clean = hidden.without(value)
    return value if clean == value else type(value)(clean)


def _json(value: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = hidden.without(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _for_screen(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with data of no more digits than a screen shows and without empty fields."""

    def rows(values: list[Any]) -> list[Any]:
        return [
            {k: short(v) for k, v in r.items() if v is not None} if isinstance(r, dict) else short(r) for r in values
        ]

    def short(value: Any) -> Any:
        return float(f"{value:.6g}") if isinstance(value, float) and math.isfinite(value) else value

    def visit(node: Any) -> Any:
        if isinstance(node, list):
            return [visit(v) for v in node]
        if not isinstance(node, dict):
            return node
        out = {k: visit(v) for k, v in node.items() if k not in ("data", "datasets")}
        if isinstance(node.get("datasets"), dict):
            out["datasets"] = {name: rows(values) for name, values in node["datasets"].items()}
        if "data" in node:
            data = node["data"]
            inline = isinstance(data, dict) and isinstance(data.get("values"), list)
            out["data"] = {**data, "values": rows(data["values"])} if inline else data
        return out

    made: dict[str, Any] = visit(dict(spec))
    return made


def _policy(scripts: list[str], style: str) -> str:
    """Only these scripts and this style, pictures inside the page, and nothing from anywhere else."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(digest(s) for s in scripts)}; style-src {digest(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@lru_cache(maxsize=1)
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, from vl-convert."""
    import vl_convert as vlc

    bundle: str = vlc.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r", "")


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    from importlib.resources import files

    return (files("rechallenge.report") / "templates" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.PackageLoader("rechallenge.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["number"] = words.number
    env.filters["heading"] = words.heading
    env.filters["plain"] = words.plain
    env.filters["doi"] = doi_of
    env.globals["counted"] = words.counted
    env.globals["status_words"] = words.STATUS_WORDS
    env.globals["state_words"] = words.STATE_WORDS
    return env
