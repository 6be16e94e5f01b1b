"""Conventions of the package, kept as tests."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rechallenge

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "rechallenge").rglob("*.py"))
GPL = {"synergy", "multiqc", "sksurv", "isocor", "picor", "sspa", "igraph", "leidenalg", "rpy2"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import rechallenge, sys, json; print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code])))
    assert not loaded & {"numpy", "pandas", "numba", "scipy", "altair", "pyarrow", "pydantic", "allotropy"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, json\nfrom rechallenge.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    loaded = set(json.loads(out.splitlines()[-1]))
    assert not loaded & {"numpy", "pandas", "numba", "scipy", "altair", "pyarrow", "pydantic", "allotropy"}


def test_every_lazy_name_is_there() -> None:
    for name in rechallenge.__all__:
        assert getattr(rechallenge, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        rechallenge.nothing_of_the_kind  # noqa: B018


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_source_keeps_the_conventions(source: Path) -> None:
    text = source.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is for"
    assert len(text.splitlines()) <= 450, "a file over about 400 lines becomes a folder"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {a.name.split(".")[0] for a in node.names} & GPL
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] not in GPL


def test_lock_files_name_no_registry() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text("utf-8")
        assert "http" not in text
        assert "index" not in text
        assert "--hash=sha256:" in text
