"""Write docs/reference/licences.md: what the dependencies and the tables of knowledge are licensed under.

    python tools/licences.py            # in an environment that holds requirements.lock
    python tools/licences.py --check    # only says what is wrong: a licence that is not allowed, or none

Licences are read from the metadata of the installed distributions; `ELSEWHERE` holds those that the lock installs only
on other systems. The core may hold no GPL and no AGPL; LGPL and MPL ones are listed one by one in `WEAK`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, PAGE = ROOT / "requirements.lock", ROOT / "docs" / "reference" / "licences.md"
#: installed by the lock on other systems or newer Pythons alone: licence as their own metadata states it
ELSEWHERE = {
    "colorama": "BSD License", "fast-array-utils": "MPL-2.0", "msgspec": "BSD-3-Clause", "pydantic-settings": "MIT",
    "python-dotenv": "BSD-3-Clause",
}  # fmt: skip
#: weak copyleft: used unchanged as a library, imported and never copied
WEAK = {
    "certifi": "the list of certificate authorities, used by requests when knowledge tables are fetched",
    "legacy-api-wrap": "a helper of anndata and scanpy",
    "session-info2": "a helper of scanpy",
    "fast-array-utils": "a helper of scanpy (Python 3.12 and newer)",
    "rainbow-api": "reads files of Agilent and Waters instruments; imported by allotropy when it reads an export",
    "tqdm": "a progress bar of umap-learn and scanpy (MPL-2.0 and MIT)",
}
FORBIDDEN = re.compile(r"(?<!L)\bA?GPL|(?<!Lesser )General Public License|Affero", re.I)
COPYLEFT = re.compile(r"GPL|MPL|EPL|CDDL|Mozilla|Eclipse|General Public", re.I)


@dataclass(frozen=True)
class Package:
    """A distribution of the lock: name as its metadata writes it, version, licence ('' where none is stated), for what
    systems (a marker, '' for all), by what it is needed, and the parts of Rechallenge that import it."""

    name: str
    version: str
    licence: str
    marker: str
    needed_by: tuple[str, ...]
    used_in: tuple[str, ...]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, list[tuple[str, str]]]:
    """Normalised name -> its versions with their markers, in the order of the lock."""
    out: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, version, marker in re.findall(
        r"^([\w.-]+)==([^\s;\\]+)(?:\s*;\s*([^\\\n]*?))?\s*\\?$", LOCK.read_text("utf-8"), re.M
    ):
        out[plain(name)].append((version, marker.strip()))
    return dict(out)


def licence_of(name: str) -> str:
    """As the metadata state it: the expression, else the classifiers, else the first line of the free text."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ELSEWHERE.get(plain(name), "")
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    said = [c.split(" :: ")[-1] for c in classifiers if c != "License :: OSI Approved"]
    return " / ".join(said) or str(about.get("License") or "").strip().split("\n")[0]


def imported() -> dict[str, tuple[str, ...]]:
    """Top-level module -> the parts of Rechallenge that import it."""
    found: dict[str, set[str]] = defaultdict(set)
    source = ROOT / "src" / "rechallenge"
    for path in sorted(source.rglob("*.py")):
        part = path.relative_to(source).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found[name.split(".")[0]].add(part)
    return {name: tuple(sorted(parts)) for name, parts in found.items()}


def needed() -> dict[str, set[str]]:
    """Normalised name -> the distributions of the core that need it, where they are installed."""
    from packaging.requirements import Requirement

    out: dict[str, set[str]] = defaultdict(set)
    for name in locked():
        try:
            wants = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in wants:
            want = Requirement(text)
            if want.marker is None or want.marker.evaluate({"extra": ""}):
                out[plain(want.name)].add(name)
    return out


def packages() -> list[Package]:
    """Every distribution of the lock, by name."""
    who, use = needed(), imported()
    modules = defaultdict(set)
    for module, names in metadata.packages_distributions().items():
        for name in names:
            modules[plain(name)].add(module)
    out = []
    for name, versions in sorted(locked().items()):
        parts = sorted({p for m in modules[name] for p in use.get(m, ())})
        marker = versions[0][1] if len(versions) == 1 else ""
        version = ", ".join(dict.fromkeys(v for v, _ in versions))
        out.append(Package(name, version, licence_of(name), marker, tuple(sorted(who[name])), tuple(parts)))
    return out


def wrong(found: list[Package]) -> Iterator[str]:
    """What may not be released so, as sentences."""
    for p in found:
        if not p.licence:
            yield f"{p.name} {p.version} states no licence"
        elif FORBIDDEN.search(p.licence.replace("LGPL", "").replace("Lesser General Public License", "")):
            yield f"{p.name} {p.version} is licensed under {p.licence}"
        elif COPYLEFT.search(p.licence) and p.name not in WEAK:
            yield f"{p.name} {p.version} ({p.licence}) is weak copyleft and not looked at"


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)])


def page(found: list[Package]) -> str:
    from rechallenge.knowledge.catalogue import PERMISSIONS, groups

    def row(p: Package) -> tuple[str, ...]:
        used = ", ".join(f"`{u}`" for u in p.used_in) if p.used_in else ""
        by = "" if p.used_in else "of " + ", ".join(p.needed_by) if p.needed_by else ""
        return (p.name, p.version, p.licence + (f" ({p.marker})" if p.marker else ""), used or by)

    weak = [(p.name, p.licence, WEAK[p.name]) for p in found if p.name in WEAK]
    data = [
        (f"`{m.name}`", "in the package" if m.starter else "fetched", m.licence, PERMISSIONS[m.redistribution],
         PERMISSIONS[m.commercial])
        for _, members in groups() for m in members
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# Licences",
            "Rechallenge is licensed under Apache-2.0. `make licences` writes this page from the metadata of what "
            "`requirements.lock` installs; a test keeps it to the lock, and refuses GPL and AGPL.",
            f"## Dependencies\n\n{len(found)} distributions of the core, at the locked versions. The last column "
            "names the parts of Rechallenge that import one, or the distributions that need it.",
            table(("distribution", "version", "licence", "where it is used"), [row(p) for p in found]),
            "## Weak copyleft\n\nThese may be used by a program under any licence as long as they themselves are "
            "passed on under theirs. Rechallenge imports them, or what imports them, unchanged, and copies no line.",
            table(("distribution", "licence", "what it does"), weak),
            "Wheels also carry libraries inside them, which their own licence files list: those of numpy, scipy and "
            "scikit-learn the runtime of the GNU compilers (GPL-3.0 with the exception that lets any program use "
            "it, and LGPL for libquadmath). Rechallenge redistributes none of them. An image built from "
            "`deploy/Dockerfile` does, and carries their licence files with them.",
            "Tools that are compared in `benchmarks/` and tests, some of them under the GPL, are never imported by the "
            "package; a test of its sources refuses them by name.",
            "## Tables of knowledge\n\nEach table names its source and licence; its own page says more. Those "
            "under CC BY-SA stay under it, inside the package too. What may not be passed on is fetched by the user "
            "from its official address and is no part of the package.",
            table(("table", "", "licence", "redistribution", "commercial use"), data),
        ]
    ) + "\n"  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--check", action="store_true", help="write nothing, only say what is wrong")
    given = ask.parse_args()
    found = packages()
    said = list(wrong(found))
    if not given.check:
        PAGE.write_text(page(found), encoding="utf-8", newline="\n")
    print("\n".join(said) or f"{len(found)} distributions, every licence allowed")
    sys.exit(bool(said))


if __name__ == "__main__":
    main()
