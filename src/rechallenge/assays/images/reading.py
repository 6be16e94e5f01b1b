"""Image files and their sheet to one row per field and quantity.

    images = { values = "images/*.tif", samples = "images.csv", nucleus_um = 12 }

The images are files of the study like any table: their bytes are digested, and a changed image is measured anew.
Further keys of the source: `nucleus_um` (usual diameter of a nucleus; found in each image where not given), `spot_um`
(largest diameter of a droplet or vesicle), `block_um` (edge of the blocks that colocalisation shuffles), `shuffles` and
`seed`. Lengths are in pixels where the sheet gives no pixel size.

One threshold holds for all images of a stain (the median over its images), so that groups can be compared: a threshold
of each image's own would find positive cells everywhere.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.images import segment
from rechallenge.assays.images.contract import NAMES, role_of, sheet_form
from rechallenge.assays.images.decoding import load
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, read_table

Floats = NDArray[np.float64]
DEFAULTS: dict[str, float] = {"nucleus_um": 0.0, "spot_um": 0.0, "block_um": 0.0, "shuffles": 199, "seed": 0}
#: a stain whose name says what is counted needs no noun
_NOUNS = ("droplet", "vesicle", "foci", "puncta", "speckle", "spots", "exosome")
#: where no size is given, in pixels
NUCLEUS_PX, SPOT_PX, BLOCK_PX = 30.0, 20.0, 16


@dataclass(frozen=True)
class _Channel:
    """One row of the sheet with its image file."""

    row: dict[str, Any]
    role: str
    found: _files.Found

    @property
    def pixel(self) -> float:
        size = float(self.row["pixel_size_um"])
        return size if size == size else float("nan")

    def pixels(self, um: float, otherwise: float) -> float:
        """A length in µm (0 = not given) as pixels; without a pixel size it is in pixels already."""
        if um <= 0:
            return otherwise
        return um / self.pixel if self.pixel == self.pixel else um


def read(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """Measurements of all fields of one source; faults are returned, never raised."""
    out = TableRead(empty_frame(contract))
    settings = _settings(source, out.faults)
    if not source.samples:
        out.faults.append(
            Fault(
                "no-samples",
                "images need a sheet that says what each of them shows.",
                'Name it: images = { values = "images/*.tif", samples = "images.csv" }, with columns file, group, '
                "replicate, stain and, where known, model, field and pixel_size_um.",
                file=STUDY_FILE,
                column="tables.images.samples",
            )
        )
        return out
    sheet = read_table(sheet_form(), source.samples, folder=folder, models=models)
    out.faults += sheet.faults
    out.files += sheet.files
    out.excluded = sheet.excluded
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    if any(f.severity == "error" for f in out.faults):
        return out
    channels = _channels(sheet.frame, found, source.samples, out)
    fields: dict[tuple[str, ...], list[_Channel]] = {}
    for one in channels:
        name = str(one.row["field"]) or one.found.name
        fields.setdefault((*(str(one.row[c]) for c in ("model", "group", "replicate", "block")), name), []).append(one)
    thresholds, bad = _thresholds(channels, settings, out)
    rows: list[dict[str, Any]] = []
    for key in sorted(fields):
        members = sorted(
            (c for c in fields[key] if c.found.name not in bad), key=lambda c: (c.role, str(c.row["stain"]))
        )
        if members:
            rows += list(_field(key[-1], members, thresholds, settings))
    if rows:
        frame = pd.DataFrame(rows)
        gone = frame["value"].isna()
        lost = [
            ("images", r["file"], "", int(r["_row"]), r["assay"], "", str(r["why"]))
            for r in frame[gone].to_dict("records")
        ]
        if lost:
            more = pd.DataFrame(lost, columns=list(EXCLUDED))
            out.excluded = pd.concat([e for e in (out.excluded, more) if len(e)], ignore_index=True)
        out.frame = frame[~gone].reindex(columns=out.frame.columns).reset_index(drop=True)
        for c in contract.columns:
            if c.kind == "text":
                out.frame[c.name] = out.frame[c.name].fillna("").astype(str).astype(object)
    return out


def _settings(source: TableSource, faults: list[Fault]) -> dict[str, float]:
    settings = dict(DEFAULTS)
    for key, value in source.extra.items():
        if key in DEFAULTS and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            settings[key] = float(value)
        else:
            faults.append(
                Fault(
                    "study-key",
                    "images do not use this key, or its value is no number from 0.",
                    f"Keys: {', '.join(DEFAULTS)} (numbers).",
                    file=STUDY_FILE,
                    column=f"tables.images.{key}",
                    value=str(value)[:80],
                )
            )
    return settings


def _channels(sheet: pd.DataFrame, found: list[_files.Found], name: str, out: TableRead) -> list[_Channel]:
    """Rows of the sheet with their files; rows without file and files without row are said."""
    by_path = {f.name: f for f in found}
    short: dict[str, list[_files.Found]] = {}
    for f in found:
        short.setdefault(Path(f.name).name, []).append(f)
    channels, used = [], set()
    for row in sheet.to_dict("records"):
        wanted = str(row["file"]).replace("\\", "/")
        hits = [by_path[wanted]] if wanted in by_path else short.get(Path(wanted).name, [])
        if len(hits) != 1:
            said = "no image of this name is among the files" if not hits else "several images have this name"
            out.faults.append(
                Fault(
                    "no-image", f"{said} that study.toml names.",
                    "Mend the name (with its folder where names repeat), or the pattern under `values`.",
                    file=name, row=int(row["_row"]), column="file", value=wanted,
                )
            )  # fmt: skip
            continue
        used.add(hits[0].name)
        channels.append(
            _Channel({str(k): v for k, v in row.items()}, str(row["role"]) or role_of(str(row["stain"])), hits[0])
        )
    idle = [f.name for f in found if f.name not in used]
    if idle:
        out.faults.append(
            Fault(
                "unlisted-image", "this image is in no row of the sheet and was not measured.",
                "Add its row, or narrow the pattern.", file=idle[0], severity="warning", count=len(idle),
            )
        )  # fmt: skip
    return channels


# pixels ---------------------------------------------------------------------------------------------------------


def plane(one: _Channel) -> Floats:
    """The channel of a row as numbers [y, x]; for ihc the colour image [y, x, 3] from 0 to 1."""
    pixels = load(one.found)
    top = float(np.iinfo(pixels.dtype).max) if np.issubdtype(pixels.dtype, np.integer) else 1.0
    if one.role == "ihc":
        if pixels.ndim != 3 or pixels.shape[2] < 3:
            message, remedy = "immunohistochemistry needs a colour image.", "Export the colour image."
            raise InputFaults([Fault("not-colour", message, remedy, file=one.found.name)])
        return np.asarray(pixels[..., :3], dtype=np.float64) / top
    if pixels.ndim == 2:
        return pixels.astype(np.float64)
    number = one.row["channel"]
    if number == number and number:
        if int(number) > pixels.shape[2]:
            message = f"the image has {pixels.shape[2]} channels, not {int(number)}."
            raise InputFaults([Fault("no-channel", message, "Mend the column channel.", file=one.found.name)])
        return np.asarray(pixels[..., int(number) - 1], dtype=np.float64)
    return np.asarray(pixels.astype(np.float64).mean(axis=2))


def _thresholds(
    channels: list[_Channel], settings: dict[str, float], out: TableRead
) -> tuple[dict[str, float], set[str]]:
    """One level per stain: the median over its images. Images that cannot be read become faults (their names)."""
    levels: dict[str, list[float]] = {}
    bad: set[str] = set()
    for one in channels:
        try:
            out.files += [r for r in [_files.load(one.found).record] if r not in out.files]
            image = plane(one)
        except InputFaults as e:
            bad.add(one.found.name)
            out.faults += [f if f.file else f.at(file=one.found.name) for f in e.faults]
            continue
        if one.role in NAMES:
            level = segment.spot_threshold(segment.flattened(image, _spot(one, settings)))
        elif one.role == "ihc":
            level = segment.otsu(segment.stains(image)[1][segment.tissue(image)])
        elif one.role == "signal":
            level = segment.otsu(segment.flattened(image, 3 * _nucleus(one, settings)))
        else:
            continue
        if np.isfinite(level):
            levels.setdefault(str(one.row["stain"]), []).append(level)
    return {stain: float(np.median(v)) for stain, v in levels.items()}, bad


def _nucleus(one: _Channel, settings: dict[str, float]) -> float:
    return one.pixels(settings["nucleus_um"], NUCLEUS_PX)


def _spot(one: _Channel, settings: dict[str, float]) -> float:
    return one.pixels(settings["spot_um"], SPOT_PX) / 2 + 1


# a field --------------------------------------------------------------------------------------------------------


def _field(
    name: str, members: list[_Channel], thresholds: dict[str, float], settings: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """All quantities of one field of view."""
    planes = {i: plane(c) for i, c in enumerate(members)}
    cells: segment.Objects | None = None
    for i, c in enumerate(members):
        if c.role == "nuclei" and cells is None:
            cells = segment.nuclei(planes[i], c.pixels(settings["nucleus_um"], 0.0))
            yield _row(c, name, "nuclei", cells.n, "per field", cells.n, _picture(planes[i], cells.labels))
            size, unit = _size(c, cells.areas)
            yield _row(c, name, "nuclear area", _median(size), unit, cells.n, why="no nucleus found")
    for i, c in enumerate(members):
        if c.role in NAMES:
            yield from _spots(c, name, planes[i], thresholds, settings, cells)
        elif c.role == "ihc":
            yield from _ihc(c, name, planes[i], thresholds)
        elif c.role == "signal":
            yield from _signal(c, name, planes[i], thresholds, settings, cells)
    marked = [(i, c) for i, c in enumerate(members) if c.role not in ("nuclei", "ihc")]
    for k, (i, a) in enumerate(marked):
        for j, b in marked[k + 1 :]:
            if planes[i].shape == planes[j].shape:
                yield from _coloc(a, b, name, planes[i], planes[j], settings)


def _row(
    c: _Channel, field: str, assay: str, value: float, unit: str, n: float, overlay: str = "", why: str = ""
) -> dict[str, Any]:
    return {
        **{k: c.row[k] for k in ("model", "group", "replicate", "block", "channel", "stain", "pixel_size_um")},
        "role": c.role, "file": c.found.name, "field": field, "assay": assay, "value": float(value), "unit": unit,
        "n_objects": float(n), "overlay": overlay, "why": why, "_file": c.found.name, "_sheet": "",
        "_row": int(c.row["_row"]),
    }  # fmt: skip


def _size(c: _Channel, areas: Floats) -> tuple[Floats, str]:
    return (areas * c.pixel**2, "µm²") if c.pixel == c.pixel else (areas, "pixels")


def _median(values: Floats) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _picture(image: Floats, labels: segment.Labels) -> str:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(segment.outlined(image, labels)).save(held, "PNG", optimize=False)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")


def _spots(
    c: _Channel, field: str, image: Floats, thresholds: dict[str, float], settings: dict[str, float],
    cells: segment.Objects | None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Number, area and sizes of droplets or vesicles, per cell where nuclei were counted."""
    one, many = NAMES[c.role]
    stain = str(c.row["stain"])
    label = stain if any(w in stain.casefold() for w in _NOUNS) else f"{stain} {many}"
    level = thresholds.get(str(c.row["stain"]), float("nan"))
    found = segment.spots(segment.flattened(image, _spot(c, settings)), level if level == level else np.inf, 4)
    yield _row(c, field, label, found.n, "per field", found.n, _picture(image, found.labels))
    size, unit = _size(c, found.areas)
    none = f"no {one} found"
    if cells is not None:
        per = max(cells.n, 0)
        why = "no nucleus found"
        nan = float("nan")
        yield _row(c, field, f"{label} per cell", found.n / per if per else nan, "per cell", found.n, why=why)
        total = float(size.sum())
        yield _row(
            c, field, f"{label} area per cell", total / per if per else nan, f"{unit} per cell", found.n, why=why
        )
    yield _row(c, field, f"{label} median area", _median(size), unit, found.n, why=none)
    wide = 2 * np.sqrt(size / np.pi)
    length = "µm" if unit == "µm²" else "pixels"
    for quantile, text in ((0.1, "D10"), (0.5, "D50"), (0.9, "D90")):
        value = float(np.quantile(wide, quantile)) if wide.size else float("nan")
        yield _row(c, field, f"{label} diameter {text}", value, length, found.n, why=none)


def _ihc(c: _Channel, field: str, rgb: Floats, thresholds: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Share of the tissue that is stained brown."""
    there = segment.tissue(rgb)
    _, dab = segment.stains(rgb)
    level = thresholds.get(str(c.row["stain"]), np.inf)
    brown = there & (dab > level)
    share = float(brown.sum() / there.sum()) if there.any() else float("nan")
    picture = _picture(rgb, brown.astype(np.int64))
    label = f"{c.row['stain']} positive fraction"
    yield _row(c, field, label, share, "fraction of tissue", int(there.sum()), picture, "no tissue in the image")


def _signal(
    c: _Channel, field: str, image: Floats, thresholds: dict[str, float], settings: dict[str, float],
    cells: segment.Objects | None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Mean signal over the background, and the share of nuclei above the level of the stain."""
    flat = segment.flattened(image, 3 * _nucleus(c, settings))
    stain = str(c.row["stain"])
    yield _row(c, field, f"{stain} mean signal", float(flat.mean()), "intensity over background", flat.size)
    if cells is None or cells.labels.shape != flat.shape:
        return
    each = segment.per_object(flat, cells)
    level = thresholds.get(stain, float("inf"))
    share = float((each > level).mean()) if each.size else float("nan")
    marked = np.isin(cells.labels, 1 + np.flatnonzero(each > level))
    picture = _picture(image, np.where(marked, cells.labels, 0))
    why = "no nucleus found"
    yield _row(c, field, f"{stain} positive nuclei", share, "fraction of nuclei", cells.n, picture, why)
    mean = float(each.mean()) if each.size else float("nan")
    yield _row(c, field, f"{stain} signal per nucleus", mean, "intensity over background", cells.n, why=why)


def _coloc(
    a: _Channel, b: _Channel, field: str, first: Floats, second: Floats, settings: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Colocalisation of two stains, and its p-values against shuffled blocks."""
    block = max(round(a.pixels(settings["block_um"], BLOCK_PX)), 2)
    # as many blocks as are of use: a large image is shuffled in larger ones
    block = max(block, int(np.ceil(np.sqrt(first.size / 1500))))
    found = segment.colocalisation(first, second, block, int(settings["shuffles"]), int(settings["seed"]))
    name = f"{a.row['stain']} with {b.row['stain']}"
    if found is None:
        why = "a channel is empty, or the image has fewer than nine blocks"
        yield _row(a, field, f"{name} Pearson", float("nan"), "r", 0, why=why)
        return
    for text, value, p in (
        ("Pearson", found.pearson, found.p_pearson),
        (f"Manders, {a.row['stain']} in {b.row['stain']}", found.m1, found.p_m1),
        (f"Manders, {b.row['stain']} in {a.row['stain']}", found.m2, found.p_m2),
    ):
        unit = "r" if text == "Pearson" else "fraction of signal"
        yield _row(a, field, f"{name} {text}", value, unit, first.size)
        yield _row(a, field, f"{name} {text}, p by shuffled blocks", p, "p", found.shuffles)
