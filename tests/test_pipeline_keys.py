"""What a key depends on: the source of a step and of all that it imports, its options, its inputs' bytes."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import toy_study
from rechallenge import sources
from rechallenge.pipeline.keys import key_of

_number = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that writes a package of the given files and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> str:
        name = f"srcpkg{next(_number)}"
        for file, text in {"__init__": "", **files}.items():
            path = tmp_path / name / (file.replace("__sub__", "sub/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("PKG", name))
            if path.parent.name == "sub" and not (path.parent / "__init__.py").exists():
                (path.parent / "__init__.py").write_text("")
        importlib.invalidate_caches()
        return name

    return write


def covered(name: str) -> list[str]:
    return [m.partition(".")[2] for m in sources.imported(f"{name}.steps") if m.startswith(name + ".")]


@pytest.mark.parametrize(
    "line",
    [
        "from PKG import helper",
        "from PKG.helper import f",
        "from PKG.helper import *",
        "import PKG.helper",
        "import PKG.helper as h",
        "from . import helper",
        "from .helper import f",
        "def g():\n    from .helper import f\n    return f",
        "def g():\n    import PKG.helper",
        "try:\n    pass\nexcept ImportError:\n    from . import helper",
        "import importlib\nh = importlib.import_module('PKG.helper')",
        "if False:\n    pass\nelse:\n    from . import helper",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from . import helper",
    ],
)
def test_every_form_of_import_is_followed(package: Callable[..., str], line: str) -> None:
    name = package(steps=line, helper="from . import deeper", deeper="import json", unused="")
    assert covered(name) == ["deeper", "helper", "steps"]


def test_imports_for_types_alone_do_not_count(package: Callable[..., str]) -> None:
    name = package(
        steps="import typing\nif typing.TYPE_CHECKING:\n    from . import helper\nimport PKGother.x\n", helper=""
    )
    assert covered(name) == ["steps"]


def test_a_package_is_followed_only_where_something_is_taken_from_it(package: Callable[..., str]) -> None:
    inner = {"__sub____init__": "from .a import x", "__sub__a": "x = 1", "__sub__b": "y = 1"}
    assert covered(package(steps="from .sub.b import y", **inner)) == ["steps", "sub", "sub.b"]
    assert covered(package(steps="from .sub import x", **inner)) == ["steps", "sub", "sub.a"]
    relative = {"__sub__b": "from ..top import t", "top": "t = 1"}
    assert covered(package(steps="from .sub.b import y", **relative)) == ["steps", "sub", "sub.b", "top"]


def test_the_top_of_this_package_does_not_count_and_what_a_plugin_takes_from_it_does(
    package: Callable[..., str],
) -> None:
    name = package(steps="import rechallenge\nfrom rechallenge.stats import multiplicity\n")
    found = sources.imported(f"{name}.steps")
    assert "rechallenge" not in found
    assert {"rechallenge.stats", "rechallenge.stats.multiplicity"} <= set(found)


def test_data_files_beside_a_module_belong_to_it(package: Callable[..., str], tmp_path: Path) -> None:
    name = package(steps="")
    before = sources.digest(f"{name}.steps")
    (tmp_path / name / "data").mkdir()
    (tmp_path / name / "data" / "drugs.csv").write_text("drug\n")
    with_data = sources.digest(f"{name}.steps")
    (tmp_path / name / "data" / "drugs.csv").write_text("drug\nsorafenib\n")
    assert len({before, with_data, sources.digest(f"{name}.steps")}) == 3


def test_a_missing_module_and_a_later_one_differ(package: Callable[..., str], tmp_path: Path) -> None:
    name = package(steps="")
    before = sources.digest(f"{name}.steps", f"{name}.later")
    (tmp_path / name / "later.py").write_text("")
    importlib.invalidate_caches()
    assert sources.digest(f"{name}.steps", f"{name}.later") != before


def test_the_digest_follows_content_not_dates(package: Callable[..., str], tmp_path: Path) -> None:
    name = package(steps="from . import helper", helper="from . import deeper", deeper="A = 1")
    deep = tmp_path / name / "deeper.py"
    before = sources.digest(f"{name}.steps")
    os.utime(deep, (1, 1))
    assert sources.digest(f"{name}.steps") == before
    deep.write_text("A = 2")
    os.utime(deep, (2, 2))
    assert sources.digest(f"{name}.steps") != before
    deep.write_text("A = 1")
    assert sources.digest(f"{name}.steps") == before


def test_code_edited_after_it_was_loaded_is_noticed(package: Callable[..., str], tmp_path: Path) -> None:
    name = package(steps="from . import helper", helper="A = 1")
    importlib.import_module(f"{name}.steps")
    assert sources.edited(f"{name}.steps") == ()
    (tmp_path / name / "helper.py").write_text("A = 22")
    assert sources.edited(f"{name}.steps") == (f"{name}.helper",)
    assert f"{name}.helper" in sys.modules


def test_modules_of_a_package_are_found_without_importing_it(package: Callable[..., str]) -> None:
    name = package(steps="raise ValueError", __sub__a="")
    assert sources.package(name) == (name, f"{name}.steps", f"{name}.sub", f"{name}.sub.a")
    assert f"{name}.steps" not in sys.modules


def test_a_key_changes_with_everything_that_a_result_depends_on(tmp_path: Path) -> None:
    toy = toy_study.make(tmp_path)
    step = toy.registry.steps["doubled"]

    def key(sha: str = "a", part: bool = False, **options: object) -> str:
        return key_of(step, {"measure": sha}, {"plus": 0.0, **options}, part=part)

    keys = [key(), key("b"), key(plus=1.0), key(part=True), key_of(toy.registry.steps["idle"], {"measure": "a"}, {})]
    helper = toy.plugin / toy.name / "helper.py"
    helper.write_text("SCALE = 3.0\n")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    helper.write_text(toy_study.HELPER)
    os.utime(helper, (5, 5))
    assert key() == keys[0]


def test_a_key_changes_with_the_version_of_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = toy_study.make(tmp_path).registry.steps["doubled"]
    before = key_of(step, {}, {})
    monkeypatch.setattr(sources, "versions", lambda: {"python": "3.99"})
    assert key_of(step, {}, {}) != before


def test_the_versions_are_those_of_python_and_of_the_libraries() -> None:
    found = sources.versions()
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["pandas"][0] == "2"
    assert set(found) == {"python", *sources.LIBRARIES}
