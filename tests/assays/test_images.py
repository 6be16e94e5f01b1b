"""Images to numbers: synthetic fields of known content, guards, pictures, and a run that notices a changed image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rechallenge.assays import images as assay
from rechallenge.assays.images import decoding, reading, segment
from rechallenge.faults import InputFaults, NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.study import TableSource
from rechallenge.tables import files
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["Huh-7 LR"]})
SIZE = 200


def discs(
    centres: list[tuple[int, int]], radius: float, height: float, seed: int = 0, noise: float = 2.0
) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE), 20.0)
    for a, b in centres:
        image[(y - a) ** 2 + (x - b) ** 2 <= radius**2] = 20 + height
    return np.clip(image + np.random.default_rng(seed).normal(0, noise, image.shape), 0, 255)


def grid(step: int, start: int = 20) -> list[tuple[int, int]]:
    return [(a, b) for a in range(start, SIZE - 10, step) for b in range(start, SIZE - 10, step)]


NUCLEI = grid(40)  # 25 of radius 9
DROPLETS = grid(20, 12)  # 81 of radius 3


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(image).astype(np.uint8)).save(path)


def study(tmp_path: Path, droplets: int = 81) -> TableSource:
    """One field of nuclei and droplets, pixel size 0.5 µm."""
    save(tmp_path / "img" / "dapi.png", discs(NUCLEI, 9, 120))
    save(tmp_path / "img" / "bodipy.png", discs(DROPLETS[:droplets], 3, 150, seed=1))
    (tmp_path / "images.csv").write_text(
        "file,model,group,replicate,field,stain,pixel_size_um\n"
        "dapi.png,Huh-7 LR,vehicle,1,a,DAPI,0.5\nbodipy.png,Huh-7 LR,vehicle,1,a,BODIPY,0.5\n",
        encoding="utf-8",
    )
    return TableSource(values=["img/*.png"], samples="images.csv")


def measured(tmp_path: Path, spec: TableSource) -> tuple[pd.Series, set[str]]:
    out = reading.read(spec, tmp_path, assay.IMAGES, MODELS)
    values = out.frame.set_index("assay")["value"] if len(out.frame) else pd.Series(dtype=float)
    return values, {f.code for f in out.faults if f.severity != "note"}


def test_droplets_per_cell_and_their_size(tmp_path: Path) -> None:
    values, codes = measured(tmp_path, study(tmp_path))
    assert not codes
    assert values["nuclei"] == 25 and values["BODIPY droplets"] == 81
    assert values["BODIPY droplets per cell"] == pytest.approx(81 / 25)
    true = np.pi * (3 * 0.5) ** 2
    assert values["BODIPY droplets median area"] == pytest.approx(true, rel=0.35)
    assert values["BODIPY droplets diameter D10"] <= values["BODIPY droplets diameter D90"]
    assert values["nuclear area"] == pytest.approx(np.pi * (9 * 0.5) ** 2, rel=0.2)


def test_nothing_in_an_image_is_nothing_found(tmp_path: Path) -> None:
    spec = study(tmp_path)
    save(tmp_path / "img" / "bodipy.png", discs([], 3, 0, seed=2))
    save(tmp_path / "img" / "dapi.png", discs([], 3, 0, seed=3))
    out = reading.read(spec, tmp_path, assay.IMAGES, MODELS)
    values = out.frame.set_index("assay")["value"]
    assert values["nuclei"] == 0 and values["BODIPY droplets"] <= 2
    assert "BODIPY droplets per cell" not in values.index
    assert set(out.excluded["reason"]) >= {"no nucleus found"}


def test_touching_nuclei_are_parted_and_dim_ones_counted() -> None:
    image = discs([(60, 60), (60, 76), (140, 60)], 10, 120)
    image += discs([(140, 140)], 10, 30, noise=0.0) - 20
    assert segment.nuclei(image, 20).n == 4
    assert segment.nuclei(image).n == 4
    assert segment.nuclei(np.full((50, 50), 7.0)).n == 0


def test_one_threshold_for_a_stain_keeps_groups_comparable(tmp_path: Path) -> None:
    """Three images with a bright marker and one without: the latter has no positive nucleus."""
    lines = ["file,group,replicate,field,stain"]
    for i in range(4):
        save(tmp_path / "img" / f"n{i}.png", discs(NUCLEI, 9, 120, seed=i))
        save(tmp_path / "img" / f"m{i}.png", discs(NUCLEI[: 10 if i < 3 else 0], 9, 150, seed=10 + i))
        lines += [
            f"n{i}.png,{'drug' if i < 3 else 'vehicle'},{i},{i},DAPI",
            f"m{i}.png,{'drug' if i < 3 else 'vehicle'},{i},{i},KI67",
        ]
    (tmp_path / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    out = reading.read(TableSource(values=["img/*.png"], samples="images.csv"), tmp_path, assay.IMAGES, MODELS)
    share = out.frame[out.frame["assay"] == "KI67 positive nuclei"].groupby("group")["value"].mean()
    assert share["drug"] == pytest.approx(0.4) and share["vehicle"] == 0


def test_stained_fraction_of_the_tissue(tmp_path: Path) -> None:
    rgb = np.full((SIZE, SIZE, 3), 240.0)
    rgb[20:180, 20:180] = (170, 160, 200)  # haematoxylin
    rgb[20:180, 20:100] = (130, 80, 40)  # brown
    save(tmp_path / "img" / "a.png", rgb + np.random.default_rng(0).normal(0, 3, rgb.shape))
    (tmp_path / "s.csv").write_text("file,group,replicate,stain\na.png,x,1,DAB (AKR1B1)\n", encoding="utf-8")
    values, codes = measured(tmp_path, TableSource(values=["img/*"], samples="s.csv"))
    assert not codes and values["DAB (AKR1B1) positive fraction"] == pytest.approx(0.5, abs=0.03)
    save(tmp_path / "img" / "a.png", rgb[..., 0])
    assert "not-colour" in measured(tmp_path, TableSource(values=["img/*"], samples="s.csv"))[1]


def test_colocalisation_against_shuffled_blocks() -> None:
    a = discs(DROPLETS[::3], 3, 150, seed=1)
    same = segment.colocalisation(a, discs(DROPLETS[::3], 3, 100, seed=2), 16, 199, 0)
    apart = segment.colocalisation(a, discs([(y + 9, x + 9) for y, x in DROPLETS[::3]], 3, 100, seed=2), 16, 199, 0)
    assert same is not None and apart is not None
    assert same.pearson > 0.9 and same.m1 > 0.9 and same.p_pearson == same.p_m1 == 1 / 200
    assert apart.pearson < 0.1 and apart.m1 < 0.1 and apart.p_pearson > 0.05
    assert segment.colocalisation(a, np.full(a.shape, 3.0), 16, 19, 0) is None
    assert segment.colocalisation(a[:40, :40], a[:40, :40], 16, 19, 0) is None


@pytest.mark.slow
def test_structures_without_relation_are_not_colocalised() -> None:
    """p-values of discs at independent random places lie below 5 % in about 5 % of 200 pairs of images."""
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = ([tuple(v) for v in rng.integers(10, SIZE - 10, (25, 2))] for _ in range(2))
        found = segment.colocalisation(discs(a, 4, 100, seed), discs(b, 4, 100, seed + 1000), 16, 99, seed)
        assert found is not None
        p.append((found.p_pearson, found.p_m1, found.p_m2))
    assert (np.mean(np.array(p) <= 0.05, axis=0) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)).all()


def test_what_is_no_image_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = study(tmp_path)
    (tmp_path / "img" / "dapi.png").write_bytes(b"PK\x03\x04 not an image at all")
    assert measured(tmp_path, spec)[1] == {"not-an-image"}
    (tmp_path / "img" / "dapi.png").write_bytes(b"II*\x00 broken tiff")
    assert measured(tmp_path, spec)[1] == {"not-an-image"}
    spec = study(tmp_path)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    assert measured(tmp_path, spec)[1] == {"too-large"}
    save(tmp_path / "tiny.png", np.zeros((4, 4)))
    with pytest.raises(InputFaults, match="one plane"):
        reading.load(files.Found(tmp_path / "tiny.png", "tiny.png"))


def test_sheets_and_files_that_do_not_meet(tmp_path: Path) -> None:
    spec = study(tmp_path)
    save(tmp_path / "img" / "extra.png", discs([], 3, 0))
    assert measured(tmp_path, spec)[1] == {"unlisted-image"}
    (tmp_path / "img" / "extra.png").unlink()
    (tmp_path / "img" / "bodipy.png").unlink()
    assert measured(tmp_path, spec)[1] == {"no-image"}
    assert measured(tmp_path, TableSource(values=["img/*.png"]))[1] == {"no-samples"}
    assert "study-key" in measured(tmp_path, TableSource(values=["img/*.png"], samples="images.csv", zoom=3))[1]  # type: ignore[call-arg]


def test_channels_of_one_file(tmp_path: Path) -> None:
    import tifffile

    stack = np.stack([discs(NUCLEI, 9, 120), discs(DROPLETS, 3, 150, seed=1)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "two.tif", stack)
    (tmp_path / "s.csv").write_text(
        "file,group,replicate,field,channel,stain\ntwo.tif,a,1,f,1,Hoechst\ntwo.tif,a,1,f,2,BODIPY droplets\n",
        encoding="utf-8",
    )
    values, codes = measured(tmp_path, TableSource(values=["two.tif"], samples="s.csv"))
    assert not codes and values["nuclei"] == 25 and values["BODIPY droplets"] == 81
    (tmp_path / "s.csv").write_text("file,group,replicate,channel,stain\ntwo.tif,a,1,5,Hoechst\n", encoding="utf-8")
    assert measured(tmp_path, TableSource(values=["two.tif"], samples="s.csv"))[1] == {"no-channel"}


def test_fields_are_averaged_within_replicates(tmp_path: Path) -> None:
    frame = reading.read(study(tmp_path), tmp_path, assay.IMAGES, MODELS).frame
    second = frame.assign(field="b", value=frame["value"] + 1)
    other = frame.assign(replicate="2")
    out = assay.image_measurements(pd.concat([frame, second, other], ignore_index=True))
    nuclei = out[out["assay"] == "nuclei"].set_index("replicate")
    assert nuclei["value"].to_dict() == {"1": 25.5, "2": 25.0} and nuclei["n_fields"].to_dict() == {"1": 2, "2": 1}
    assert {"assay", "model", "group", "replicate", "value", "unit", "block"} <= set(out.columns)
    assert nuclei.loc["1", "source_rows"] == "img/dapi.png:2"
    shuffled = pd.concat([frame, second, other], ignore_index=True).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(assay.image_measurements(shuffled), out)
    with pytest.raises(NotApplicable):
        assay.image_measurements(frame.assign(value=np.nan))


def test_figures_show_outlines_and_replicates(tmp_path: Path) -> None:
    frame = reading.read(study(tmp_path), tmp_path, assay.IMAGES, MODELS).frame
    spec = json.dumps(specification(assay.image_overlays(frame)))
    assert spec.count("data:image/png;base64") == 2
    assert export("g", assay.image_groups(assay.image_measurements(frame)))["png"]
    assert assay.image_overlays(frame.assign(overlay="")) is None
    picture = segment.outlined(discs(NUCLEI, 9, 120), segment.nuclei(discs(NUCLEI, 9, 120)).labels)
    assert picture.shape == (SIZE, SIZE, 3) and (picture == (230, 94, 0)).all(axis=2).sum() > 500


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    from rechallenge.assays.images.contract import sheet_form

    (tmp_path / "s.csv").write_text(assay.IMAGES.example, encoding="utf-8")
    found = read_table(sheet_form(), "s.csv", folder=tmp_path)
    assert not [f for f in found.faults if f.severity in ("error", "warning")]


def test_a_changed_image_is_measured_anew(tmp_path: Path) -> None:
    from rechallenge import pipeline

    study(tmp_path)
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "t"\n[models]\n"Huh-7 LR" = { role = "other" }\n'
        '[tables]\nimages = { values = "img/*.png", samples = "images.csv" }\n',
        encoding="utf-8",
    )

    def droplets() -> tuple[float, str]:
        record = pipeline.run(tmp_path, only=("image_measurements",))
        table = record.tables["image_measurements"].set_index("assay")
        states = {step.name: step.state for step in record.steps}
        return float(table.loc["BODIPY droplets", "value"]), states["image_measurements"]

    assert droplets()[0] == 81
    assert droplets()[1] == "cached"
    save(tmp_path / "img" / "bodipy.png", discs(DROPLETS[:40], 3, 150, seed=1))
    assert droplets() == (40, "done")


def test_real_images(shared: Path, tmp_path: Path) -> None:
    """CellProfiler's examples (4972b59): nuclei of a field with mitotic cells, gamma-H2AX foci in seven to eight
    nuclei, and scikit-image's immunohistochemistry. No reference count comes with them: bounds by eye."""
    folder = shared / "data" / "bench" / "images"
    human = "cp_ExampleHuman_AS_09125_050116030001_D03f00d"
    lines = [
        "file,group,replicate,field,stain",
        f"{human}0.tif,a,1,h,DAPI",
        f"{human}1.tif,a,1,h,pH3",
        "cp_ExampleSpeckles_1-162hrhoe2.tif,b,1,s,Hoechst",
        "cp_ExampleSpeckles_1-162hrh2ax2.tif,b,1,s,gamma-H2AX foci",
        "skimage_ihc.png,c,1,i,DAB",
    ]
    for line in lines[1:]:
        name = line.split(",")[0]
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "s.csv").write_text("\n".join(lines), encoding="utf-8")
    spec = TableSource(values=["*.tif", "*.png"], samples="s.csv", spot_um=8)  # type: ignore[call-arg]
    out = reading.read(spec, tmp_path, assay.IMAGES, MODELS)
    assert not [f for f in out.faults if f.severity == "error"]
    values = out.frame.set_index(["field", "assay"])["value"]
    assert 250 <= values["h", "nuclei"] <= 340 and 0.01 <= values["h", "pH3 positive nuclei"] <= 0.1
    assert 7 <= values["s", "nuclei"] <= 9 and 90 <= values["s", "gamma-H2AX foci"] <= 220
    assert 0.3 <= values["i", "DAB positive fraction"] <= 0.6
