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
from collections.abc import Iterator, Mapping
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
    "statsmodels",
    "gseapy",
    "pyjaspar",
    "pygoslin",
    "scikit-image",
    "scikit-learn",
    "h5py",
    "scanpy",
    "umap-learn",
    "pynndescent",
    "graspologic-native",
)


@dataclass(frozen=True)
class _Parsed:
    stamp: tuple[int, int]
    sha256: str
    #: (module as written, relative level, names taken from it or None for a plain import)
    imports: tuple[tuple[str, int, tuple[str, ...] | None], ...] = ()


#: what is written for a module whose source cannot be found
ABSENT = "absent"
_files: dict[Path, _Parsed] = {}
_first: dict[Path, str] = {}
_covered: dict[
    tuple[tuple[str, ...], tuple[str, ...]], tuple[dict[Path, tuple[int, int]], tuple[tuple[str, str], ...]]
] = {}


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
    for name, sha in _contents(modules, beside):
        h.update(f"{name}\0{sha}\n".encode())
    return h.hexdigest()


def imported(*modules: str) -> tuple[str, ...]:
    """Names of the modules (and, as `package/data/...`, of the data files) that `digest` covers, sorted."""
    return tuple(name for name, _ in _contents(modules, BESIDE))


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
    for name, sha in _contents(modules, BESIDE):
        path = _find(name) if name in sys.modules else None
        if path is not None and _first.get(path, sha) != sha:
            changed.append(name)
    return tuple(changed)


def _contents(modules: tuple[str, ...], beside: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(name, digest) of everything covered, sorted; looked through again only where a file or folder has changed."""
    known = _covered.get((modules, beside))
    if known is not None and all(_stamp(path) == stamp for path, stamp in known[0].items()):
        return known[1]
    files: set[Path] = set()
    found = tuple(sorted(_look(modules, beside, files)))
    if all(sha != ABSENT for _, sha in found):
        places = files | {f.parent for f in files}
        _covered[modules, beside] = ({p: _stamp(p) for p in places}, found)
    return found


def _look(modules: tuple[str, ...], beside: tuple[str, ...], files: set[Path]) -> set[tuple[str, str]]:
    """What `_contents` gives, found anew; every file and data folder looked at is added to `files`."""
    found: set[tuple[str, str]] = set()
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen or name == ROOT:
            continue
        seen.add(name)
        path = _find(name)
        if path is None:
            found.add((name, ABSENT))
            continue
        parsed = _parse(path)
        files.add(path)
        found.add((name, parsed.sha256))
        for parent in _parents(name):
            init = _find(parent)
            if init is not None and parent != ROOT:
                files.add(init)
                found.add((parent, _parse(init).sha256))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        if package:
            for file in _beside(path.parent, beside, files):
                found.add((f"{package}/{file.relative_to(path.parent).as_posix()}", _parse(file).sha256))
        tops = {name.split(".")[0], ROOT}
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
        holder = _find(base)
        for name in names:
            # a submodule is followed itself; its package then counts as text only
            inner = f"{base}.{name}"
            has = name != "*" and (holder is None or holder.name == "__init__.py") and _find(inner) is not None
            yield inner if has else base


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


def _stamp(path: Path) -> tuple[int, int]:
    """Date and size of a file, date of a folder; zeros where it is gone."""
    try:
        at = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (at.st_mtime_ns, at.st_size)


def _parse(path: Path) -> _Parsed:
    stamp = _stamp(path)
    known = _files.get(path)
    if known is not None and known.stamp == stamp:
        return known
    raw = path.read_bytes()
    imports: tuple[tuple[str, int, tuple[str, ...] | None], ...] = ()
    if path.suffix == ".py":
        everywhere = b"import_module" in raw or b"__import__" in raw
        imports = tuple(dict.fromkeys(_imports(ast.parse(raw, filename=path.name), everywhere)))
    parsed = _Parsed(stamp, hashlib.sha256(raw).hexdigest(), imports)
    _files[path] = parsed
    _first.setdefault(path, parsed.sha256)
    return parsed


def _imports(tree: ast.AST, everywhere: bool) -> Iterator[tuple[str, int, tuple[str, ...] | None]]:
    """Every import of a module: (module, relative level, names or None). Imports are statements, so expressions are
    looked through only where one of them may be a call that imports (`everywhere`)."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0, None
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, tuple(a.name for a in node.names)
        elif isinstance(node, ast.If) and _type_checking(node.test):
            waiting.extend(node.orelse)
        else:
            if isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    name = first.value.lstrip(".")
                    yield name, len(first.value) - len(name), None
            below = ast.iter_child_nodes(node)
            waiting.extend(n for n in below if everywhere or not isinstance(n, ast.expr))


def _type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _called(call: ast.Call) -> str:
    f = call.func
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def _beside(place: Path, folders: tuple[str, ...], looked_at: set[Path]) -> list[Path]:
    """The data files beside a module; the folders looked at are added to `looked_at`."""
    found: list[Path] = []
    for folder in folders:
        if (place / folder).is_dir():
            everything = sorted((place / folder).rglob("*"))
            looked_at.update([place / folder, *everything])
            found += [f for f in everything if f.is_file() and f.suffix not in (".py", ".pyc")]
    return found
