"""Columns of blocks moved, and files of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks import cells as benchmark
from scipy import sparse

from rechallenge.stats.sparse_columns import add_moments, moved
from rechallenge.tables import files


def test_columns_are_moved_as_by_a_matrix_of_ones() -> None:
    rng = np.random.default_rng(0)
    x = sparse.random_array((1500, 40), density=0.3, random_state=1, format="csr", dtype=np.float32)
    to = rng.integers(-1, 25, 40).astype(np.int32)  # some go nowhere, some to one place
    turn = np.zeros((40, 25), dtype=np.float32)
    turn[np.flatnonzero(to >= 0), to[to >= 0]] = 1
    out = moved(x, to, 25)
    np.testing.assert_allclose(out.toarray(), x.toarray() @ turn, atol=1e-6)
    assert (np.diff(out.indices)[np.diff(np.repeat(np.arange(1500), np.diff(out.indptr))) == 0] > 0).all()
    same = moved(x, np.arange(40, dtype=np.int32), 40)
    np.testing.assert_array_equal(same.toarray(), x.toarray())


def test_moments_are_those_of_the_groups() -> None:
    x = sparse.random_array((90, 12), density=0.4, random_state=2, format="csr")
    group = np.arange(90) % 3
    total, square, seen = np.zeros((3, 12)), np.zeros((3, 12)), np.zeros((3, 12))
    add_moments(x.indptr, x.indices, x.data, group, total, square, seen)
    for g in range(3):
        own = x.toarray()[group == g]
        np.testing.assert_allclose(total[g], own.sum(axis=0))
        np.testing.assert_allclose(square[g], (own**2).sum(axis=0))
        np.testing.assert_array_equal(seen[g], (own > 0).sum(axis=0))


def test_a_file_that_is_read_in_pieces_may_have_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    for name in ("cells.h5ad", "cells.csv"):
        (tmp_path / name).write_bytes(b"0" * 11)
    found, faults = files.find(["cells.h5ad", "cells.csv"], tmp_path, (".h5ad",))
    assert [f.name for f in found] == ["cells.h5ad"]
    assert [(f.code, f.file) for f in faults] == [("too-large", "cells.csv")]


def test_the_benchmark_writes_what_it_says_and_takes_it_to_states(tmp_path: Path) -> None:
    told = benchmark.arguments(["--cells", "700", "--ours-only", "--file", str(tmp_path / "x.h5ad")])
    assert told["sizes"] == (700,) and told["ours_only"] and not told["simulate_only"]
    block, state, sample = benchmark._block(0, 0, 50)
    again = benchmark._block(0, 0, 50)
    assert block.shape == (50, benchmark.GENES) and len(state) == len(sample) == 50
    assert (block != again[0]).nnz == 0
