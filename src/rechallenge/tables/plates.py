"""Raw plate-reader exports with a plate map, as tidy wells.

    plates = { files = "HepG2_*.xls", map = "plate_map.csv", layout = "plates.csv" }

`files` are raw exports (see `exports` for the forms that are understood), `map` says what is in each well, `layout`
(optional) says which map belongs to which plate and what holds for all of a plate's wells. Further keys of the
source: `label` (which wavelength or filter, whole name or part), `read` (which repeat), `format` ("grid" or "list", to
read the cells as such whatever program wrote them) and `decimal` (",").

Plates get names that no other plate of the study has: the export's name and the plate's name in it, `HepG2:3`. Maps
and layouts may name a plate by that, by its name, barcode or number in the export, or with `*`; an exact name goes
before a pattern, and a pattern before an empty plate. Whatever is read and not used is listed as excluded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, TableSource, nearest
from rechallenge.tables.contract import Column, Contract, place
from rechallenge.tables.plate_map import FIELDS, WELL_TYPES
from rechallenge.tables.reading import TableRead, empty_frame

MIN_VEHICLE = 3


def _texts(frame: pd.DataFrame, name: str) -> pd.Series[str]:
    return frame[name].fillna("").astype(str).str.strip()


def complete_wells(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Sample and positive wells name model, drug, dose and replicate; vehicle wells their model."""
    frame = frame[_texts(frame, "exclude") == ""]
    kind = _texts(frame, "well_type")
    needs = (
        ("model", ("sample", "positive", "vehicle"), "belongs to no curve", "model column in the map or the layout"),
        ("replicate", ("sample",), "cannot be told from a technical well", "replicate column in the map or the layout"),
        ("drug", ("sample",), "belongs to no curve", "drug in the map, or mark the well as vehicle, blank or empty"),
    )
    for name, kinds, why, where in needs:
        bare = frame.index[kind.isin(kinds) & (_texts(frame, name) == "")]
        if len(bare):
            yield Fault(
                f"no-{name}",
                f"a {kind.loc[bare[0]]} well without {name} {why}.",
                f"Fill in the {where}.",
                column=name,
                value=f"{frame.loc[bare[0], 'plate']} {frame.loc[bare[0], 'well']}",
                count=len(bare),
                **place(frame, bare[0]),
            )
    bare = frame.index[(kind == "sample") & frame["dose_um"].isna()]
    if len(bare):
        yield Fault(
            "no-dose",
            "a sample well without a dose cannot be placed on a curve.",
            "Fill in the dose in the map (vehicle wells: well_type vehicle).",
            column="dose_um",
            value=f"{frame.loc[bare[0], 'plate']} {frame.loc[bare[0], 'well']}",
            count=len(bare),
            **place(frame, bare[0]),
        )


def vehicle_without_dose(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Vehicle and blank wells hold no drug."""
    kind = _texts(frame, "well_type")
    bad = frame.index[kind.isin(["vehicle", "blank"]) & (frame["dose_um"] > 0)]
    if len(bad):
        at = bad[0]
        yield Fault(
            "vehicle-dose",
            f"a {kind.loc[at]} well has a dose of {frame.loc[at, 'dose_um']:g} µM.",
            "Mark the well as sample, or set its dose to 0.",
            column="dose_um",
            value=f"{frame.loc[at, 'plate']} {frame.loc[at, 'well']}",
            count=len(bad),
            **place(frame, at),
        )


def vehicle_on_plates(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A raw signal means something only beside vehicle wells: of the same plate, or of its `vehicle_plate`."""
    kind, plate = _texts(frame, "well_type"), _texts(frame, "plate")
    lender = _texts(frame, "vehicle_plate")
    lender = lender.where(lender != "", plate)
    held = plate[kind == "vehicle"].value_counts()
    for name, rows in frame[kind == "sample"].groupby(lender[kind == "sample"], sort=True):
        wells = int(held.get(name, 0))
        where = {**place(frame, rows.index[0]), "column": "well_type", "value": str(name)}
        if wells == 0:
            yield Fault(
                "no-vehicle",
                f"plate {name} has sample wells and no vehicle well, so its signals cannot be turned into viability.",
                "Mark its vehicle wells in the map (well_type vehicle), or name the plate that holds them in a "
                "column vehicle_plate of the layout.",
                **where,
            )
        elif wells < MIN_VEHICLE:
            yield Fault(
                "few-vehicle",
                f"plate {name} has only {wells} vehicle well{'s' if wells > 1 else ''}: the scatter of "
                f"{'these' if wells > 1 else 'this one'} goes into every viability of the plate.",
                "Plan at least 6 vehicle wells a plate.",
                severity="warning",
                **where,
            )


#: Fields of a map as columns of wells. Names of models are checked where they are written, in the map or layout.
_CHANGES: dict[str, dict[str, Any]] = {
    "model": {"refers": ""},
    "well_type": {"default": "sample", "choices": WELL_TYPES},
    "perturbation": {"default": "none"},
}

PLATES = Contract(
    name="plates",
    about="Raw plate-reader exports with a plate map: one row per well after reading.",
    columns=(
        Column("plate", "name of the plate, made from the export's name and the plate's", required=True),
        Column("well", "well, e.g. B03", required=True),
        Column("signal", "raw signal of the well, in the reader's unit", "number", required=True, measured=True),
        *(replace(c, **_CHANGES.get(c.name, {})) for c in FIELDS),
    ),
    key=("plate", "well"),
    rules=(complete_wells, vehicle_without_dose, vehicle_on_plates),
    reader="plates",
    example=(
        "well,drug,dose_um,well_type,model,replicate\n"
        "A01,DMSO,0,vehicle,Huh-7 P,1\n"
        "A02,lenvatinib,10,sample,Huh-7 P,1\n"
    ),
)


def read_plates(
    source: TableSource, study_folder: Path, contract: Contract = PLATES, models: pd.DataFrame | None = None
) -> TableRead:
    """Read raw exports with their map and layout into tidy wells.

    Parameters
    ----------
    source
        `values` (exports), `map`, `layout`, and the keys `label`, `read`, `format`, `decimal`
    study_folder
        the folder that all names are relative to
    contract
        whose columns are returned; PLATES or one built from it. Its rules look at the whole table and are run by
        `reading.read_study` (or `checks.check`) once all sources are read
    models
        the study's models (column `model`), for names to be checked against

    Returns
    -------
    TableRead with one row per mapped well that has a signal: the columns of the contract, `_file`, `_sheet`, `_row`
    (where the signal stands in the export) and `flag` (the reader's own mark). Wells that the map lists and that have
    no signal are in `excluded`. All faults are returned, none raised.
    """
    from rechallenge.tables.exports import Export, choose, read_export
    from rechallenge.tables.files import find, load
    from rechallenge.tables.plate_join import join
    from rechallenge.tables.plate_map import read_layout, read_maps
    from rechallenge.tables.plate_match import plates_of, well_map

    options, faults = _options(source)
    found, more = find(source.values, study_folder)
    faults += more
    files: list[tuple[str, int, str]] = []
    chosen: list[tuple[Export, list[Any]]] = []
    for one in found:
        try:
            content = load(one)
            files.append(content.record)
            export = read_export(content, options.form, options.decimal, source.sheet)
        except InputFaults as e:
            faults += e.faults
            continue
        reads, more = choose(export, options.label, options.read)
        faults += [*export.faults, *more]
        chosen.append((export, reads))
    maps = read_maps(source.map, study_folder, models) if source.map else None
    if maps is None:
        faults.append(
            Fault(
                "no-map",
                "raw exports do not say what is in their wells.",
                'Name a plate map: plates = { files = "...", map = "plate_map.csv" }.',
                file=source.values[0],
            )
        )
    layout = read_layout(source.layout, study_folder, models) if source.layout else None
    for read in (maps, layout):
        if read is not None:
            faults += read.faults
            files += read.files
    plates = plates_of(chosen)
    out = TableRead(empty_frame(contract), faults, files=files)
    if plates and maps is not None and len(maps.frame) and (layout is None or len(layout.frame)):
        joined = join(plates, well_map(maps.frame), None if layout is None else layout.frame, contract)
        out.frame, out.excluded = joined.frame, joined.excluded
        out.faults += joined.faults
    return out


@dataclass(frozen=True)
class _Options:
    label: str = ""
    read: int | None = None
    form: str = "auto"
    decimal: str = ""


def _options(source: TableSource) -> tuple[_Options, list[Fault]]:
    """The further keys of the source."""
    from rechallenge.tables.exports import FORMATS

    known = ("label", "read", "format", "decimal")
    faults: list[Fault] = []
    extra = source.extra

    def refuse(key: str, message: str, remedy: str) -> None:
        faults.append(
            Fault(
                "study-key", message, remedy, file=STUDY_FILE, column=f"tables.plates.{key}", value=str(extra[key])[:80]
            )
        )

    for key in extra:
        if key not in known:
            refuse(
                key,
                "this is not a key of plates.",
                f"Known: files, map, layout, sheet, {', '.join(known)}.{nearest(key, known)}",
            )
    label, read = extra.get("label", ""), extra.get("read")
    form, decimal = extra.get("format", "auto"), extra.get("decimal", "")
    if isinstance(label, bool) or not isinstance(label, str | int | float):
        refuse("label", "this must be the name of a wavelength, filter or read.", "Put it in quotes.")
        label = ""
    if read is not None and (isinstance(read, bool) or not isinstance(read, int) or read < 1):
        refuse("read", "this must be the number of the read: 1, 2, ...", "Write it without quotes.")
        read = None
    if form not in FORMATS:
        refuse("format", f"this must be one of {', '.join(FORMATS)}.", "Leave it out to have the form detected.")
        form = "auto"
    if decimal not in ("", ".", ","):
        refuse("decimal", 'this must be "." or ",".', "Leave it out to have it detected.")
        decimal = ""
    return _Options(str(label), read, str(form), str(decimal)), faults
