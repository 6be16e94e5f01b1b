"""Release readiness: licences of what is installed, what an archive holds, the typed public interface."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import rechallenge

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    return tool("licences")


def test_no_dependency_is_under_the_gpl(licences: ModuleType) -> None:
    assert not list(licences.wrong(licences.packages()))


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("MIT", False), ("GPL-3.0-or-later", True), ("GNU Affero General Public License v3", True), ("", True),
        ("GNU General Public License v2 (GPLv2)", True), ("LGPL-2.1", True), ("MPL-2.0", True), ("BSD-3-Clause", False),
    ],
)  # fmt: skip
def test_licences_that_are_refused(licences: ModuleType, licence: str, refused: bool) -> None:
    assert bool(list(licences.wrong([licences.Package("new", "1", licence, "", (), ())]))) is refused


def test_weak_copyleft_is_allowed_where_it_was_looked_at(licences: ModuleType) -> None:
    seen = licences.Package("rainbow-api", "1", "GNU Lesser General Public License v3 (LGPLv3)", "", (), ())
    assert not list(licences.wrong([seen]))


def test_the_page_of_licences_keeps_to_the_lock(licences: ModuleType) -> None:
    page = (ROOT / "docs" / "reference" / "licences.md").read_text("utf-8").splitlines()
    rows = {cells[1]: cells for line in page if len(cells := [c.strip() for c in line.split("|")]) == 6}
    for name, versions in licences.locked().items():
        assert rows[name][2] == ", ".join(dict.fromkeys(v for v, _ in versions)), f"{name}: run `make licences`"
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if installed in [v for v, _ in versions]:
            assert rows[name][3].startswith(licences.licence_of(name))


def test_what_an_archive_has_to_hold_is_there_and_taken() -> None:
    wanted = tool("release_check").WANTED
    taken = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for name in wanted:
        assert (ROOT / name).is_file(), name
        assert name.split("/")[0] in {*taken, "pyproject.toml"}, f"{name} is in no sdist"


def test_the_public_interface_is_typed() -> None:
    """`make lint` runs mypy over tests/consumer.py, a user's program, whose wrong lines it has to refuse."""
    assert (ROOT / "src" / "rechallenge" / "py.typed").is_file()
    assert "tests/consumer.py" in PROJECT["tool"]["mypy"]["files"] and PROJECT["tool"]["mypy"]["strict"]
    assert (ROOT / "tests" / "consumer.py").read_text("utf-8").count("# type: ignore[") == 3
    assert set(rechallenge.__all__) == {"__version__", *rechallenge._LAZY}


def test_every_version_says_the_same() -> None:
    assert f"version: {rechallenge.__version__}" in (ROOT / "CITATION.cff").read_text("utf-8")
    for minor in ("3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {minor}" in PROJECT["project"]["classifiers"]
