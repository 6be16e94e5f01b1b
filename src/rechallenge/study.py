"""A study: the folder, `study.toml` and what it means."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rechallenge.faults import Fault, InputFaults

if TYPE_CHECKING:
    import pandas as pd

STUDY_FILE = "study.toml"
#: a larger study file is refused, and one nested more deeply
MAX_BYTES, MAX_DEPTH = 4 * 2**20, 12
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}){{40}}")
Role = Literal["parental", "resistant", "normal", "patient", "other"]


class StudyInfo(BaseModel):
    """The `[study]` table."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: str = Field(min_length=1)
    therapies: list[str] = Field(default_factory=list)
    description: str = ""
    authors: list[str] = Field(default_factory=list)
    seed: int = Field(default=0, ge=0)

    @field_validator("therapies")
    @classmethod
    def _named(cls, value: list[str]) -> list[str]:
        names = [v.strip() for v in value]
        if any(not v for v in names):
            raise ValueError("a therapy has no name")
        if len(set(names)) < len(names):
            raise ValueError("a therapy is named twice")
        return names


class Model(BaseModel):
    """One entry of `[models]`: a cell line, an organoid or the donor of a xenograft."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    role: Role
    parent: str = ""
    selected_with: str = ""
    stage: str = ""
    cell_line: str = ""
    note: str = ""


class TableSource(BaseModel):
    """Where the rows of one table kind come from: files (or globs), and what a matrix or plate export needs beside."""

    model_config = ConfigDict(extra="allow", str_strip_whitespace=True)

    values: list[str] = Field(min_length=1)
    samples: str = ""
    unit: str = ""
    map: str = ""
    layout: str = ""
    sheet: str = ""
    name: str = ""

    @property
    def extra(self) -> dict[str, Any]:
        """Keys that only this kind of table knows."""
        return dict(self.model_extra or {})


class StudyFile(BaseModel):
    """All of `study.toml`."""

    model_config = ConfigDict(extra="forbid")

    study: StudyInfo
    models: dict[str, Model] = Field(default_factory=dict)
    tables: dict[str, list[TableSource]] = Field(default_factory=dict)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    exposure: dict[str, dict[str, Any]] = Field(default_factory=dict)
    contrasts: list[dict[str, Any]] = Field(default_factory=list)

    @field_validator("tables", mode="before")
    @classmethod
    def _sources(cls, value: Any) -> Any:
        """One form for every way of naming files: a string, a list of strings, a table, a list of tables."""
        if not isinstance(value, dict):
            return value
        return {kind: _sources(spec) for kind, spec in value.items()}


def _sources(spec: Any) -> Any:
    if isinstance(spec, str):
        return [{"values": [spec]}]
    if isinstance(spec, list) and spec and all(isinstance(s, str) for s in spec):
        return [{"values": spec}]
    if isinstance(spec, dict):
        spec = dict(spec)
        for other in ("files", "file"):
            if other in spec and "values" not in spec:
                spec["values"] = spec.pop(other)
        if "plate_map" in spec and "map" not in spec:
            spec["map"] = spec.pop("plate_map")
        if isinstance(spec.get("values"), str):
            spec["values"] = [spec["values"]]
        return [spec]
    if isinstance(spec, list) and spec and all(isinstance(s, dict) for s in spec):
        return [one for s in spec for one in _sources(s)]
    return spec


@dataclass(frozen=True)
class Study:
    """A study folder and its `study.toml`.

    Attributes
    ----------
    folder
        the folder that holds `study.toml`; every file name is relative to it and must stay inside it
    title, therapies, seed
        from `[study]`
    models
        name -> `Model`
    tables
        table kind -> sources, file names still as written (globs are resolved on reading)
    options
        stream or analysis name -> {option: value}
    """

    folder: Path
    title: str
    therapies: tuple[str, ...] = ()
    seed: int = 0
    description: str = ""
    authors: tuple[str, ...] = ()
    models: dict[str, Model] = field(default_factory=dict)
    tables: dict[str, tuple[TableSource, ...]] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    exposure: dict[str, dict[str, Any]] = field(default_factory=dict)
    contrasts: tuple[dict[str, Any], ...] = ()

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """Read `folder/study.toml`. Raises InputFaults that name every key at fault."""
        folder = Path(folder)
        if folder.name == STUDY_FILE and folder.is_file():
            folder = folder.parent
        path = folder / STUDY_FILE
        parsed, _ = _parse(path)
        return cls(
            folder=folder.resolve(),
            title=parsed.study.title,
            therapies=tuple(parsed.study.therapies),
            seed=parsed.study.seed,
            description=parsed.study.description,
            authors=tuple(parsed.study.authors),
            models=dict(parsed.models),
            tables={k: tuple(v) for k, v in parsed.tables.items()},
            options=parsed.options,
            exposure=parsed.exposure,
            contrasts=tuple(parsed.contrasts),
        )

    def models_table(self) -> pd.DataFrame:
        """One row per model: model, role, parent, selected_with, stage, cell_line, note (text; empty = not given)."""
        import pandas as pd

        columns = ["model", "role", "parent", "selected_with", "stage", "cell_line", "note"]
        rows = [{"model": name, **m.model_dump()} for name, m in self.models.items()]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def therapies_table(self) -> pd.DataFrame:
        """One row per therapy in question: therapy."""
        import pandas as pd

        return pd.DataFrame({"therapy": list(self.therapies)}, dtype=object)

    def contrasts_table(self) -> pd.DataFrame:
        """One row per entry of `[[contrasts]]`: its keys as text columns, in the order in which they first appear."""
        import pandas as pd

        columns = list(dict.fromkeys(["name", *(k for c in self.contrasts for k in c)]))
        rows = [{k: "" if k not in c else str(c[k]) for k in columns} for c in self.contrasts]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def exposures_table(self) -> pd.DataFrame:
        """The study's own exposures, one row per drug and quantity of `[exposure.DRUG]`: drug, quantity, value (text).

        The quantities are those of the knowledge table `exposure` (cmax_total, ...) or what the study calls them.
        """
        import pandas as pd

        rows = [(drug, key, str(value)) for drug, own in self.exposure.items() for key, value in own.items()]
        return pd.DataFrame(rows, columns=["drug", "quantity", "value"], dtype=object)

    def own_tables(self) -> dict[str, pd.DataFrame]:
        """The tables that every study has, made from `study.toml`: models, therapies, contrasts, exposures."""
        return {
            "models": self.models_table(),
            "therapies": self.therapies_table(),
            "contrasts": self.contrasts_table(),
            "exposures": self.exposures_table(),
        }


def problems(folder: str | Path) -> list[Fault]:
    """Every fault of `folder/study.toml`, warnings included; an empty list where there is nothing to say."""
    folder = Path(folder)
    try:
        return _parse(folder / STUDY_FILE)[1]
    except InputFaults as e:
        return e.faults


def _parse(path: Path) -> tuple[StudyFile, list[Fault]]:
    data = _toml(path)
    try:
        parsed = StudyFile.model_validate(data)
    except ValidationError as e:
        raise InputFaults(_key_fault(error) for error in e.errors()) from None
    faults = _meaning(parsed)
    if any(f.severity == "error" for f in faults):
        raise InputFaults(faults)
    return parsed, faults


def _toml(path: Path) -> dict[str, Any]:
    def refuse(code: str, message: str, remedy: str, **place: Any) -> InputFaults:
        return InputFaults([Fault(code, message, remedy, file=place.pop("file", STUDY_FILE), **place)])

    folder = path.parent
    try:
        if not folder.exists():
            raise refuse("no-study", "this folder does not exist.", "Check the path.", file=str(folder))
        if not folder.is_dir():
            raise refuse(
                "no-study",
                "this is not a folder.",
                "Name the folder that holds study.toml.",
                file=str(folder),
            )
        if path.exists() and not path.is_file():
            raise refuse(
                "unreadable", "it is not a file and cannot be read.", "Replace it by a study file.", file=str(path)
            )
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise refuse(
                "too-large",
                f"it has more than {MAX_BYTES // 2**20} MB, which no study file has.",
                "Put measurements into tables, and name these here.",
            )
        raw = path.read_bytes()
    except FileNotFoundError:
        raise refuse(
            "no-study",
            "the folder has no study.toml.",
            "Write one, or let `rechallenge new` make it.",
            file=str(path),
        ) from None
    except OSError as e:
        raise refuse(
            "unreadable", f"it cannot be read ({e.strerror or e}).", "Check the file and its permissions."
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        row = raw[: e.start].count(b"\n") + 1
        raise refuse("encoding", "it is not UTF-8 text.", "Save the file as UTF-8.", row=row) from None
    if _LONG_KEY.search(text):  # the time that the parser takes grows with the square of a key's parts
        raise refuse("toml", "it has a key of more than 40 parts.", "Write it flat, as in the example.")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise refuse(
            "toml",
            f"it is not valid TOML: {e}.",
            "Names with spaces or hyphens go in quotes; text values too.",
        ) from None
    except ValueError as e:
        raise refuse("toml", f"a number in it cannot be read ({e}).", "Write the number in full, or as text.") from None
    except RecursionError:
        raise refuse(
            "toml", "it is nested too deeply to be a study file.", "Write it flat, as in the example."
        ) from None
    odd = _odd(data)
    if odd is not None:
        raise refuse("toml", odd[1], odd[2], column=odd[0][:80])
    return data


def _odd(data: Any) -> tuple[str, str, str] | None:
    """The first value that TOML allows and nothing here can use: (key, what is wrong, what to do)."""
    left: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while left:
        path, value = left.pop()
        key = ".".join(path[:6])
        if len(path) > MAX_DEPTH:
            return key, "this is nested too deeply to be a study file.", "Write it flat, as in the example."
        if isinstance(value, int) and abs(value) >= 2**63:
            return key, "this whole number is too large.", "Write a number of at most 18 digits."
        if isinstance(value, dt.date | dt.time):
            return key, "a date or time is not used here.", "Put it in quotes, as text."
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        left += [((*path, str(k)), v) for k, v in inner]
    return None


_REMEDY = {
    "missing": "Add it.",
    "extra_forbidden": "",
    "literal_error": "",
    "string_type": "Put the value in quotes.",
}
_KEYS = {
    "": ("study", "models", "tables", "options", "exposure", "contrasts"),
    "study": tuple(StudyInfo.model_fields),
    "models": tuple(Model.model_fields),
}


def nearest(name: str, known: Any) -> str:
    """` Did you mean ...?` for a misspelt name, or the empty string."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def _key_fault(error: Any) -> Fault:
    loc = [str(part) for part in error["loc"]]
    key = ".".join(loc)
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _KEYS.get(loc[0] if len(loc) > 1 else "", ())
        message = f"{loc[-1]!r} is not a key that a study file knows."
        remedy = f"Known here: {', '.join(known)}.{nearest(loc[-1], known)}" if known else "Remove it."
    elif kind == "missing":
        message, remedy = "this key is missing.", "Add it."
    elif kind == "literal_error":
        message, remedy = (
            f"this must be {error['ctx']['expected']}.",
            nearest(error["input"], get_args(Role)).strip(),
        )
    else:
        message, remedy = (
            f"{error['msg']}.",
            _REMEDY.get(kind, "See the commented study.toml of `rechallenge new`."),
        )
    value = "" if kind in ("missing", "extra_forbidden") else str(error.get("input", ""))[:80]
    return Fault("study-key", message, remedy, file=STUDY_FILE, column=key, value=value)


def _meaning(parsed: StudyFile) -> list[Fault]:
    """What a well-formed study file can still get wrong."""
    faults: list[Fault] = []

    def say(code: str, key: str, message: str, remedy: str, value: str = "", **more: Any) -> None:
        faults.append(Fault(code, message, remedy, file=STUDY_FILE, column=key, value=value, **more))

    names = list(parsed.models)
    for name, model in parsed.models.items():
        key = f"models.{name}"
        if name != name.strip() or not name:
            say(
                "model-name",
                key,
                "the name begins or ends with a space, or is empty.",
                "Remove the space.",
                name,
            )
        if model.role == "resistant" and not model.parent:
            say(
                "no-parent",
                key,
                "a resistant model without `parent` has nothing to be compared with.",
                'Add parent = "name of its parental model".',
            )
        if model.parent and model.parent not in parsed.models:
            say(
                "unknown-parent",
                f"{key}.parent",
                "no model has this name.",
                f"Name a model of this study.{nearest(model.parent, names)}",
                model.parent,
            )
        elif model.parent == name:
            say(
                "own-parent",
                f"{key}.parent",
                "a model cannot be its own parent.",
                "Name the line it was derived from.",
                name,
            )
        elif model.parent and parsed.models[model.parent].parent and _loops(name, parsed.models):
            say(
                "parent-loop",
                f"{key}.parent",
                "these parents form a loop.",
                "Name the line it was derived from.",
                model.parent,
            )
        if model.selected_with and parsed.study.therapies and model.selected_with not in parsed.study.therapies:
            say(
                "not-a-therapy",
                f"{key}.selected_with",
                "this drug is not among the therapies of the study.",
                f"Add it to study.therapies, or mend the name.{nearest(model.selected_with, parsed.study.therapies)}",
                model.selected_with,
                severity="warning",
            )
    for kind, sources in parsed.tables.items():
        for source in sources:
            for file in (*source.values, *(f for f in (source.samples, source.map, source.layout) if f)):
                if not file.strip():
                    say(
                        "file-name",
                        f"tables.{kind}",
                        "a file name is empty.",
                        "Name the file, or remove the line.",
                    )
                elif Path(file).is_absolute() or ".." in Path(file.replace("\\", "/")).parts or file.startswith("~"):
                    say(
                        "outside-study",
                        f"tables.{kind}",
                        "the file lies outside the study folder.",
                        "Copy it into the study folder and name it from there.",
                        file,
                    )
    return faults


def _loops(name: str, models: dict[str, Model]) -> bool:
    seen, at = set(), name
    while at and at in models and at not in seen:
        seen.add(at)
        at = models[at].parent
    return bool(at) and at in seen
