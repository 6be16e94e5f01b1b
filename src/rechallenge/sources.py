"""The digest of the code behind a result: a module, and every module of its package that it imports.

Source is parsed, never run. Imports inside functions count, those under `if TYPE_CHECKING` do not. A package's
`__init__` counts as text where one of its modules is imported, and is followed where something is imported from it.
Files in a folder `data` beside a module of a package belong to its source. The top `rechallenge/__init__.py` does
not count: it holds the version and short names only. What is imported under a computed name cannot be seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = "rechallenge"
#: folders beside a module of a package whose files are part of its source
BESIDE = ("data",)
#: libraries whose version is part of every key
LIBRARIES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "numba",
    "pydantic",
    "python-calamine",
    "allotropy",
    "altair",
    "vl-convert-python",
    "jinja2",
)


@dataclass(frozen=True)
class _Parsed:
    stamp: tuple[int, int]
    sha256: str
    #: (module as written, relative level, names taken from it or None for a plain import)
    imports: tuple[tuple[str, int, tuple[str, ...] | None], ...] = ()


_files: dict[Path, _Parsed] = {}
_first: dict[Path, str] = {}


@cache
def versions() -> Mapping[str, str]:
    """Python as major.minor and the installed version of each of `LIBRARIES` (`absent` where it is not there)."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def digest(*modules: str, beside: tuple[str, ...] = BESIDE) -> str:
    """One digest for the source of these modules and of everything they import of their own package or of this one."""
    h = hashlib.sha256()
    for name, sha in sorted(_contents(modules, beside)):
        h.update(f"{name}\0{sha}\n".encode())
    return h.hexdigest()


def imported(*modules: str) -> tuple[str, ...]:
    """Names of the modules (and, as `package/data/...`, of the data files) that `digest` covers, sorted."""
    return tuple(sorted(name for name, _ in _contents(modules)))


def package(name: str) -> tuple[str, ...]:
    """All modules of a package, itself included, found without importing them."""
    init = _find(name)
    if init is None or init.name != "__init__.py":
        return (name,)
    inside = (p.relative_to(init.parent).with_suffix("").parts for p in sorted(init.parent.rglob("*.py")))
    return (name, *(".".join([name, *parts]).removesuffix(".__init__") for parts in inside if parts != ("__init__",)))


def edited(*modules: str) -> tuple[str, ...]:
    """Modules among those covered that this process has loaded and whose source has changed since it first looked.

    Their results must not be stored: the key would name the new source, the result come from the old.
    """
    changed = []
    for name, sha in sorted(_contents(modules)):
        path = _find(name) if name in sys.modules else None
        if path is not None and _first.get(path, sha) != sha:
            changed.append(name)
    return tuple(changed)


def _contents(modules: tuple[str, ...], beside: tuple[str, ...] = BESIDE) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _find(name)
        if path is None:
            found.add((name, "absent"))
            continue
        if name == ROOT:
            continue
        parsed = _parse(path)
        found.add((name, parsed.sha256))
        for parent in _parents(name):
            init = _find(parent)
            if init is not None and parent != ROOT:
                found.add((parent, _parse(init).sha256))
        if "." in name or path.name == "__init__.py":
            found.update(_beside(name, path, beside))
        tops = {name.split(".")[0], ROOT}
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting.extend(t for t in _targets(parsed, package) if t.split(".")[0] in tops and t not in seen)
    return found


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _targets(parsed: _Parsed, package: str) -> Iterator[str]:
    """Full names of the modules that an import statement leads to."""
    for module, level, names in parsed.imports:
        base = module
        if level:
            parts = package.split(".")
            stem = parts[: len(parts) - level + 1]
            base = ".".join([*stem, module] if module else stem)
        if names is None:
            yield base
            yield from _parents(base)
            continue
        for name in names:
            inner = f"{base}.{name}"
            # a submodule is followed itself; its package then counts as text only
            yield inner if name != "*" and _find(inner) is not None else base


def _find(name: str) -> Path | None:
    """The source file of a module, found without importing anything; None where there is none."""
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None) if loaded is not None else _spec(name)
    origin = getattr(spec, "origin", None)
    if origin is None or not str(origin).endswith(".py"):
        return None
    path = Path(origin)
    return path if path.is_file() else None


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    parent, _, _ = name.rpartition(".")
    if not parent:
        try:
            return importlib.util.find_spec(name)
        except ValueError:
            return None
    loaded = sys.modules.get(parent)
    spec = getattr(loaded, "__spec__", None) if loaded is not None else _spec(parent)
    places = getattr(spec, "submodule_search_locations", None)
    return importlib.machinery.PathFinder.find_spec(name, list(places)) if places else None


def _parse(path: Path) -> _Parsed:
    at = path.stat()
    stamp = (at.st_mtime_ns, at.st_size)
    known = _files.get(path)
    if known is not None and known.stamp == stamp:
        return known
    raw = path.read_bytes()
    imports: tuple[tuple[str, int, tuple[str, ...] | None], ...] = ()
    if path.suffix == ".py":
        imports = tuple(dict.fromkeys(_imports(ast.parse(raw, filename=path.name))))
    parsed = _Parsed(stamp, hashlib.sha256(raw).hexdigest(), imports)
    _files[path] = parsed
    _first.setdefault(path, parsed.sha256)
    return parsed


def _imports(node: ast.AST) -> Iterator[tuple[str, int, tuple[str, ...] | None]]:
    """Every import at or below a node: (module, relative level, names or None)."""
    below: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, 0, None
    elif isinstance(node, ast.ImportFrom):
        yield node.module or "", node.level, tuple(a.name for a in node.names)
    elif isinstance(node, ast.If) and _type_checking(node.test):
        below = node.orelse
    elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            name = first.value.lstrip(".")
            yield name, len(first.value) - len(name), None
    for child in below:
        yield from _imports(child)


def _type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _called(call: ast.Call) -> str:
    f = call.func
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def _beside(name: str, path: Path, folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for folder in folders:
        place = path.parent / folder
        if place.is_dir():
            for file in sorted(place.rglob("*")):
                if file.is_file() and file.suffix not in (".py", ".pyc"):
                    yield f"{package}/{file.relative_to(path.parent).as_posix()}", _parse(file).sha256
