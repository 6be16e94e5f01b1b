"""Files of single cells: every form gives the same counts, and what is wrong is said."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import cells_examples as ex
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from rechallenge.faults import RechallengeError
from rechallenge.omics.cells import CELLS, chunks, counts, genes, kept
from rechallenge.omics.cells.counting import symbols
from rechallenge.omics.cells.reading import read
from rechallenge.study import TableSource

GENES = ex.names_of(30)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("RECHALLENGE_DATA", str(folder))
    return folder


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.8, (40, 30)).astype(np.float32)


def _obs(n: int = 40) -> pd.DataFrame:
    return pd.DataFrame({"orig.ident": ["a"] * n, "cell line": ["P"] * n}, index=[f"c{i}" for i in range(n)])


def _forms(folder: Path, x: np.ndarray) -> dict[str, str | list[str]]:
    """The same counts in every form that is read."""
    ex.write_h5ad(folder / "rows.h5ad", x, GENES, _obs())
    ex.write_h5ad(folder / "columns.h5ad", x, GENES, _obs())
    csc = sparse.csc_array(x)
    with h5py.File(folder / "columns.h5ad", "r+") as f:
        del f["X"]
        g = f.create_group("X")
        g.attrs.update({"encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": x.shape})
        for k in ("data", "indices", "indptr"):
            g[k] = getattr(csc, k)
    ex.write_h5ad(folder / "dense.h5ad", x, GENES, _obs())
    with h5py.File(folder / "dense.h5ad", "r+") as f:
        del f["X"]
        f["X"] = x
    csr = sparse.csr_array(x)
    with h5py.File(folder / "tenx.h5", "w") as f:
        m = f.create_group("matrix")
        m["barcodes"] = np.array([f"c{i}" for i in range(40)], dtype="S")
        for k in ("data", "indices", "indptr"):
            m[k] = getattr(csr, k).astype(np.int64)
        m["shape"] = [30, 40]
        m["features/name"] = np.array(GENES, dtype="S")
        m["features/feature_type"] = np.array(["Gene Expression"] * 30, dtype="S")
    run = folder / "run1"
    run.mkdir()
    with gzip.open(run / "matrix.mtx.gz", "wb") as f:
        io.mmwrite(f, sparse.coo_array(x.T.astype(np.int64)))
    with gzip.open(run / "barcodes.tsv.gz", "wt") as f:
        f.write("".join(f"c{i}\n" for i in range(40)))
    with gzip.open(run / "features.tsv.gz", "wt") as f:
        f.write("".join(f"ID{i}\t{g}\tGene Expression\n" for i, g in enumerate(GENES)))
    table = pd.DataFrame(x.T.astype(int), index=GENES, columns=[f"c{i}" for i in range(40)])
    table.to_csv(folder / "genes_by_cells.csv")
    with gzip.open(folder / "as_r_writes.txt.gz", "wt") as f:  # one heading less than columns, names in quotes
        f.write("\t".join(f'"{c}"' for c in table.columns) + "\n")
        f.writelines(f'"{g}"\t' + "\t".join(map(str, r)) + "\n" for g, r in zip(GENES, table.to_numpy(), strict=True))
    table.T.to_csv(folder / "cells_by_genes.tsv", sep="\t")
    return {
        **{n: n for n in ("rows.h5ad", "columns.h5ad", "dense.h5ad", "tenx.h5", "genes_by_cells.csv",
                          "as_r_writes.txt.gz", "cells_by_genes.tsv")},
        "10x folder": ["run1/*"],
    }  # fmt: skip


def test_every_form_gives_the_same_counts(tmp_path: Path, matrix: np.ndarray) -> None:
    for name, values in _forms(tmp_path, matrix).items():
        out = read(TableSource(values=[values] if isinstance(values, str) else values), tmp_path, CELLS, ex.MODELS)
        assert [f for f in out.faults if f.severity == "error"] == [], name
        found = counts(out.frame)
        order = [found.genes.index(g) for g in GENES]
        np.testing.assert_array_equal(found.matrix.toarray()[:, order], matrix, err_msg=name)
        assert out.frame["cell"].tolist() == [f"c{i}" for i in range(40)], name
        assert (out.frame["values"] == "counts").all()
        np.testing.assert_array_equal(out.frame["n_counts"], matrix.sum(axis=1))
        np.testing.assert_array_equal(out.frame["n_genes"], (matrix > 0).sum(axis=1))
        # the kept copy gives the same again
        np.testing.assert_array_equal(counts(out.frame).matrix.toarray(), found.matrix.toarray())


def test_chunks_and_subsets_are_the_whole_in_pieces(tmp_path: Path, matrix: np.ndarray) -> None:
    ex.write_h5ad(tmp_path / "a.h5ad", matrix, GENES, _obs())
    ex.write_h5ad(tmp_path / "b.h5ad", matrix[:25] + 1, GENES, _obs(25))
    cells = ex.table(tmp_path, "a.h5ad", "b.h5ad", name="both")
    assert cells["cell"].is_unique and cells["cell"].iloc[0] == "a:c0"
    whole = counts(cells)
    some = cells.sample(frac=0.5, random_state=1)
    picked = counts(some, names=["CAV1", "ACTB"])
    at = [whole.genes.index("CAV1"), whole.genes.index("ACTB")]
    np.testing.assert_array_equal(picked.matrix.toarray(), whole.matrix.toarray()[some.index][:, at])
    pieces = list(chunks(cells, size=7))
    assert max(p.matrix.shape[0] for p in pieces) <= 7
    joined = np.zeros(whole.matrix.shape)
    for p in pieces:
        joined[p.rows] = p.matrix.toarray()
    np.testing.assert_array_equal(joined, whole.matrix.toarray())
    with pytest.raises(KeyError, match="NOGENE"):
        counts(cells, names=["NOGENE"])
    assert kept(cells, some[["dataset", "cell"]])["cell"].tolist() == some["cell"].tolist()


def test_a_gene_that_one_file_lacks(tmp_path: Path) -> None:
    """Zero where the file lists only genes that it saw; left out where it lists genes without counts too."""
    seen = np.ones((20, 3), dtype=np.float32)
    ex.write_h5ad(tmp_path / "a.h5ad", seen, ["ACTB", "CAV1", "GENE1"], _obs(20))
    ex.write_h5ad(tmp_path / "b.h5ad", seen[:, :2], ["ACTB", "GENE1"], _obs(20))
    cells = ex.table(tmp_path, "a.h5ad", "b.h5ad", name="x")
    assert genes(cells) == ["ACTB", "CAV1", "GENE1"]
    assert counts(cells, ["CAV1"]).matrix.sum() == 20
    empty = seen[:, :2].copy()
    empty[:, 1] = 0
    ex.write_h5ad(tmp_path / "b.h5ad", empty, ["ACTB", "GENE1"], _obs(20))
    assert genes(ex.table(tmp_path, "a.h5ad", "b.h5ad", name="x")) == ["ACTB", "GENE1"]


def test_the_sheet_says_what_cells_are(tmp_path: Path, matrix: np.ndarray) -> None:
    ex.write_h5ad(tmp_path / "p1.h5ad", matrix, GENES, _obs())
    ex.write_h5ad(tmp_path / "r1.h5ad", matrix[:20], GENES, _obs(20))
    (tmp_path / "s.csv").write_text(
        "file,sample,model,treatment,replicate\np1,P1,P,vehicle,1\nr1.h5ad,R1,R,vehicle,1\n"
    )
    out = read(TableSource(values=["*.h5ad"], samples="s.csv", name="own"), tmp_path, CELLS, ex.MODELS)
    assert [f for f in out.faults if f.severity != "note"] == []
    assert out.frame.groupby(["sample", "model"]).size().to_dict() == {("P1", "P"): 40, ("R1", "R"): 20}
    (tmp_path / "s.csv").write_text("barcode,model\nc0,P\nc1,R\nzz,R\n")
    out = read(TableSource(values=["p1.h5ad"], samples="s.csv"), tmp_path, CELLS, ex.MODELS)
    assert {(f.code, f.row) for f in out.faults if f.severity != "note"} == {("no-cells", 4), ("unlisted-cells", None)}
    assert out.frame["model"].tolist()[:2] == ["P", "R"]


def _codes(folder: Path, name: str, **keys: object) -> set[str]:
    out = read(TableSource(values=[name], **keys), folder, CELLS, ex.MODELS)  # type: ignore[arg-type]
    assert all(f.message.endswith(".") and (f.remedy or f.severity != "error") for f in out.faults)
    return {f.code for f in out.faults}


def test_values_that_are_no_counts_are_said(tmp_path: Path, matrix: np.ndarray) -> None:
    ex.write_h5ad(tmp_path / "log.h5ad", np.log1p(matrix / 3), GENES, _obs())
    assert _codes(tmp_path, "log.h5ad") == {"not-counts"}
    assert set(ex.table(tmp_path, "log.h5ad")["values"]) == {"log"}
    ex.write_h5ad(tmp_path / "layered.h5ad", np.log1p(matrix / 3), GENES, _obs(), {"counts": sparse.csr_matrix(matrix)})
    assert _codes(tmp_path, "layered.h5ad") == set()
    assert set(ex.table(tmp_path, "layered.h5ad")["layer"]) == {"layers/counts"}
    assert _codes(tmp_path, "layered.h5ad", layer="X") == {"not-counts"}
    assert _codes(tmp_path, "layered.h5ad", layer="soup") == {"no-layer"}
    ex.write_h5ad(tmp_path / "scaled.h5ad", matrix - 1, GENES, _obs())
    assert _codes(tmp_path, "scaled.h5ad") == {"negative"}


def test_what_is_no_file_of_cells(tmp_path: Path, matrix: np.ndarray) -> None:
    (tmp_path / "words.csv").write_text("gene,c1,c2,c3\nACTB,1,2,many\n")
    assert _codes(tmp_path, "words.csv") == {"not-cells"}
    (tmp_path / "gap.csv").write_text("gene,c1,c2,c3\nACTB,1,,3\n")
    assert _codes(tmp_path, "gap.csv") == {"not-cells"}
    (tmp_path / "short.csv").write_text("gene,c1,c2,c3\nACTB,1,2,3\nCAV1,1,2\n")
    assert _codes(tmp_path, "short.csv") == {"not-cells"}
    (tmp_path / "cut.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    assert _codes(tmp_path, "cut.h5ad") == {"not-cells"}
    ex.write_h5ad(tmp_path / "a.h5ad", matrix, GENES, _obs())
    with h5py.File(tmp_path / "a.h5ad", "r+") as f:
        f["X/indptr"][3] = 10**6
    assert _codes(tmp_path, "a.h5ad") == {"damaged"}
    ex.write_h5ad(tmp_path / "twice.h5ad", matrix[:2], GENES, pd.DataFrame(index=["c", "c"]))
    assert _codes(tmp_path, "twice.h5ad") == {"cell-twice"}
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone/matrix.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n1 1 0\n")
    assert _codes(tmp_path, "alone/matrix.mtx") == {"no-triple"}
    assert _codes(tmp_path, "a.h5ad", colour="red") == {"study-key"}


def test_nothing_in_a_file_is_executed_and_no_link_is_followed(tmp_path: Path, matrix: np.ndarray) -> None:
    class Bad:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "ran"),))  # type: ignore[return-value]

    ex.write_h5ad(tmp_path / "a.h5ad", matrix, GENES, _obs())
    with h5py.File(tmp_path / "a.h5ad", "r+") as f:
        f["obs/blob"] = np.void(pickle.dumps(Bad()))
        f["uns/blob"] = np.void(pickle.dumps(Bad()))
    assert len(ex.table(tmp_path, "a.h5ad")) == 40
    assert not (tmp_path / "ran").exists()
    ex.write_h5ad(tmp_path / "b.h5ad", matrix, GENES, _obs())
    with h5py.File(tmp_path / "b.h5ad", "r+") as f:
        del f["X"]
        f["X"] = h5py.ExternalLink("a.h5ad", "X")
    assert _codes(tmp_path, "b.h5ad") == {"linked-data"}


def test_a_file_that_changed_after_reading_is_noticed(tmp_path: Path, matrix: np.ndarray) -> None:
    ex.write_h5ad(tmp_path / "a.h5ad", matrix, GENES, _obs())
    cells = ex.table(tmp_path, "a.h5ad")
    ex.write_h5ad(tmp_path / "a.h5ad", matrix + 1, GENES, _obs())
    with pytest.raises(RechallengeError, match="changed since"):
        counts(cells)
    (tmp_path / "a.h5ad").unlink()
    with pytest.raises(RechallengeError, match="cannot be read"):
        counts(cells)


def test_names_of_genes_are_resolved_without_joining_two_genes() -> None:
    assert symbols(["ENSG00000198804.2", "CAV1", "NOT_A_GENE", "ENSG99999999999"]) == (
        "MT-CO1", "CAV1", "NOT_A_GENE", "ENSG99999999999",
    )  # fmt: skip
    # COX1 is an alias of MT-CO1, which the file has itself
    assert symbols(["COX1", "MT-CO1"]) == ("COX1", "MT-CO1")


def test_a_new_study_gets_the_sheet_and_a_moved_one_is_read_anew(tmp_path: Path, matrix: np.ndarray) -> None:
    from rechallenge import scaffold
    from rechallenge.analysis import discover
    from rechallenge.pipeline import reading
    from rechallenge.store import Store
    from rechallenge.study import Study

    scaffold.write(tmp_path / "a", ["cells"])
    assert (tmp_path / "a" / "cells_samples.csv").read_text().startswith("file,sample,model")
    (tmp_path / "a" / "cells").mkdir()
    ex.write_h5ad(tmp_path / "a" / "cells" / "p.h5ad", matrix, GENES, _obs())
    (tmp_path / "a" / "cells_samples.csv").write_text("file,sample,model\np,P1,P\n")
    toml = (
        '[study]\ntitle = "x"\ntherapies = []\n[models]\nP = { role = "parental" }\n[tables]\n'
        'cells = { values = "cells/*", samples = "cells_samples.csv" }\n'
    )
    (tmp_path / "a" / "study.toml").write_text(toml)
    store = Store(tmp_path / "store")
    store.prepare()

    def table(folder: Path) -> pd.DataFrame:
        found = reading.read(Study.load(folder), discover().contracts, store, lambda _: None)
        assert [f for f in found.faults if f.severity == "error"] == []
        return store.table(found.tables["cells"].sha256)

    first = table(tmp_path / "a")
    assert set(first["sample"]) == {"P1"} and len(counts(first).genes) == len(GENES)
    (tmp_path / "a").rename(tmp_path / "b")
    assert counts(table(tmp_path / "b")).matrix.sum() == matrix.sum()
