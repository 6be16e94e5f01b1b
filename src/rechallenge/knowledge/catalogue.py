"""The catalogue: every knowledge table, what it is, under which licence, where it comes from, what its columns mean.

Two data files hold it: `data/starter.toml` (tables shipped with the package) and `data/catalogue.toml` (tables that
are fetched from their official address, or added from a local copy). Nothing about a resource is written in code
except its parser.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from rechallenge.knowledge.errors import UnknownResource

Kind = Literal["text", "number", "integer", "list"]
#: answers to "may it be redistributed / used commercially": `ask` = permission is needed, `unknown` = not verified
Permission = Literal["yes", "no", "share-alike", "ask", "unknown"]

PERMISSIONS: Mapping[str, str] = {
    "yes": "allowed",
    "no": "not allowed",
    "share-alike": "allowed under the same licence",
    "ask": "ask the publisher",
    "unknown": "not verified",
}


@dataclass(frozen=True)
class Column:
    """One column of a stored table. A `list` is stored as text with `|` between items and given as a list."""

    name: str
    about: str
    kind: Kind = "text"
    unit: str = ""
    required: bool = True


@dataclass(frozen=True)
class Source:
    """One file of a resource.

    `file` is its name in the cache and on a mirror. `also` are addresses tried when the first answers "not found".
    `listing` is a file-name pattern: the address is then a folder, and every file in it that matches is taken.
    `sha256` is empty where it is not known in advance: it is then recorded at the first fetch and verified later.
    """

    file: str
    address: str
    also: tuple[str, ...] = ()
    sha256: str = ""
    sha256_from: str = ""
    bytes: int = 0
    listing: str = ""


@dataclass(frozen=True)
class Resource:
    """One knowledge table.

    `starter` tables come with the package; the others have `sources` and a `parser`. `moving` says that the address
    always gives the newest version, so that its checksum may change. `unverified` lists what about this entry could
    not be checked when it was written.
    """

    name: str
    title: str
    about: str
    version: str
    licence: str
    citation: str
    columns: tuple[Column, ...]
    group: str
    licence_url: str = ""
    redistribution: Permission = "unknown"
    commercial: Permission = "unknown"
    homepage: str = ""
    used_for: str = ""
    parser: str = ""
    options: Mapping[str, Any] | None = None
    sources: tuple[Source, ...] = ()
    moving: bool = False
    starter: bool = False
    unverified: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def size(self) -> int:
        """Bytes to download, 0 where unknown."""
        return sum(s.bytes for s in self.sources) if all(s.bytes for s in self.sources) else 0

    def permission(self) -> str:
        """One sentence on what the licence allows, said before any download."""
        return (
            f"{self.licence}. Redistribution: {PERMISSIONS[self.redistribution]}; "
            f"commercial use: {PERMISSIONS[self.commercial]}."
        )


def _resource(entry: Mapping[str, Any], starter: bool, version: str) -> Resource:
    fields = dict(entry)
    columns = tuple(Column(**c) for c in fields.pop("columns"))
    sources = tuple(Source(**{**s, "also": tuple(s.get("also", ()))}) for s in fields.pop("files", ()))
    fields["unverified"] = tuple(fields.get("unverified", ()))
    fields.setdefault("version", version)
    return Resource(columns=columns, sources=sources, starter=starter, **fields)


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Resource]:
    """Every resource by name, starter tables first, each part in the order of its file."""
    from rechallenge import __version__

    found: dict[str, Resource] = {}
    for file, starter in (("starter.toml", True), ("catalogue.toml", False)):
        with (files("rechallenge") / "knowledge" / "data" / file).open("rb") as stream:
            data = tomllib.load(stream)
        for entry in data["resource"]:
            one = _resource(entry, starter, f"starter set of rechallenge {__version__}")
            found[one.name] = one
    return found


def names(starter: bool | None = None) -> tuple[str, ...]:
    """Names of all resources, or only of starter (True) or fetchable (False) ones."""
    return tuple(n for n, r in catalogue().items() if starter is None or r.starter == starter)


def get(name: str) -> Resource:
    """The resource of this name. UnknownResource, with close names, where there is none."""
    found = catalogue().get(name)
    if found is None:
        close = difflib.get_close_matches(name.lower(), list(catalogue()), n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else " See: rechallenge knowledge list"
        raise UnknownResource(f"There is no knowledge table named {name!r}.{hint}")
    return found


def groups() -> Iterator[tuple[str, list[Resource]]]:
    """Resources by group, in catalogue order."""
    found: dict[str, list[Resource]] = {}
    for one in catalogue().values():
        found.setdefault(one.group, []).append(one)
    yield from found.items()
