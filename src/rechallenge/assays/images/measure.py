"""Fields to replicates, and the pictures to check them by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, figure
from rechallenge.faults import NotApplicable
from rechallenge.tables.contract import source_rows

SKIMAGE = "doi:10.7717/peerj.453"
OTSU = "doi:10.1109/TSMC.1979.4310076"
MANDERS = "doi:10.1111/j.1365-2818.1993.tb03313.x"
COSTES = "doi:10.1529/biophysj.103.038422"
COLUMNS = (
    "assay", "model", "group", "replicate", "value", "unit", "block", "n_fields", "n_objects", "sd_fields",
    "source_table", "source_rows",
)  # fmt: skip


def _methods(image_measurements: pd.DataFrame, **_: Any) -> str:
    said = (
        f"Images were measured with scikit-image ({SKIMAGE}): background by a wide morphological opening, nuclei by "
        f"Otsu's threshold ({OTSU}) and watershed on the distance map, droplets, vesicles and positive nuclei above "
        "one level for all images of a stain (the median of the levels of its images)"
    )
    names = image_measurements["assay"].astype(str) if len(image_measurements) else pd.Series(dtype=str)
    if names.str.contains("positive fraction").any():
        said += ", DAB by colour deconvolution"
    if names.str.contains("Manders").any():
        said += (
            f", colocalisation by Manders' and Pearson's coefficients ({MANDERS}) against images with shuffled blocks "
            f"({COSTES})"
        )
    return said + ". Fields of view were averaged within biological replicates, which are the unit."


@analysis(
    title="Measurements of images",
    reference=(SKIMAGE, OTSU, MANDERS, COSTES),
    methods=_methods,
    formula=(
        "objects: local threshold, cut at half their height; area and count per cell, means over fields; "
        "Pearson and Manders with blocks shuffled"
    ),
    oracle=(
        "No outside reference: images of known content (tests/assays/test_images_truth.py, tests/assays/test_images.py)"
    ),
    limits=(
        "Thresholds and shapes only, no learnt models: crowded or faint cells are missed (droplets on a "
        "background that swings as much as they are bright: 4 to 13 %). p of colocalisation is 6 to 9 % at 5 % "
        "where structures are as wide as the blocks."
    ),
)
def image_measurements(images: pd.DataFrame) -> pd.DataFrame:
    """Every quantity per model, group and biological replicate, in the form of `measurements`: `COLUMNS`.

    `value` is the mean over the fields of the replicate, `sd_fields` their scatter (nan for one field), `n_objects` the
    objects (or pixels) behind it. p-values of colocalisation are means over fields, to be read as a description. Raises
    NotApplicable where no image gave a value.
    """
    table = images[images["value"].notna()]
    if table.empty:
        raise NotApplicable("no image gave a measurement")
    keys = ["assay", "model", "group", "replicate", "block"]
    table = table.sort_values([*keys, "file", "field", "value"], kind="mergesort")
    rows: list[dict[str, Any]] = []
    for names, part in table.groupby(keys, sort=True):
        values = part["value"].to_numpy(dtype=np.float64)
        rows.append(
            {
                **dict(zip(keys, names, strict=True)),
                "value": float(values.mean()), "unit": str(part["unit"].iloc[0]), "n_fields": len(part),
                "n_objects": float(part["n_objects"].sum()),
                "sd_fields": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
                "source_rows": source_rows(part["_file"], part["_row"]) if "_row" in part.columns else "",
            }
        )  # fmt: skip
    return pd.DataFrame(rows).assign(source_table="images").loc[:, list(COLUMNS)]


@figure(
    title="What was found in the images",
    caption="For checking by eye: the images of at most nine fields with the borders of the nuclei, droplets, vesicles "
    "or stained areas that were counted in orange; brightness is stretched for display. The first field of each stain "
    "and group is shown, stains in the order of their names.",
)
def image_overlays(images: pd.DataFrame) -> Any:
    """Small pictures with outlines."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, sized

    table = images[images["overlay"].fillna("") != ""].sort_values(["assay", "group", "replicate", "file"])
    table = table.drop_duplicates(["assay", "group"]).head(9)
    if table.empty:
        return None
    data = pd.DataFrame(
        {
            "panel": [f"{r.group}: {r.assay} {r.value:.3g}" for r in table.itertuples()],
            "file": table["file"], "value": table["value"], "_draw_image": table["overlay"], "_draw_x": 0.5,
            "_draw_y": 0.5,
        }
    )  # fmt: skip
    chart = (
        alt.Chart(data)
        .mark_image(width=150, height=130)
        .encode(
            alt.X("_draw_x:Q", axis=None, scale=alt.Scale(domain=[0, 1])),
            alt.Y("_draw_y:Q", axis=None, scale=alt.Scale(domain=[0, 1])),
            url="_draw_image:N",
        )
        .properties(width=150, height=130)
        .facet(facet=alt.Facet("panel:N", sort=None, title=None, header=alt.Header(labelLimit=150)), columns=3)
    )
    return sized(chart, DOUBLE)


@figure(
    title="Measurements of images by group",
    caption="Every biological replicate (mean of its fields) as a point, the mean of the group as a line. At most nine "
    "quantities are shown; all are in the table.",
)
def image_groups(image_measurements: pd.DataFrame) -> Any:
    """Points by group, one panel per quantity."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    table = image_measurements[~image_measurements["assay"].str.contains("p by shuffled|diameter D")].copy()
    if table.empty:
        return None
    table["panel"] = table["assay"] + " (" + table["unit"] + ")"
    panels = list(dict.fromkeys(table["panel"]))[:9]
    data = table.loc[table["panel"].isin(panels), ["panel", "model", "group", "replicate", "value"]].assign(
        part="replicate"
    )
    means = data.groupby(["panel", "model", "group"], sort=False)["value"].mean().reset_index().assign(part="mean")
    data = pd.concat([data, means], ignore_index=True)
    of = alt.Chart(data).encode(
        alt.X("group:N", title=None, axis=alt.Axis(labelAngle=-45)),
        alt.Y("value:Q", title=None, scale=alt.Scale(zero=True)),
        tooltip=["model:N", "group:N", "replicate:N", "value:Q"],
    )
    if len(set(data["model"])) > 1:
        of = of.encode(alt.XOffset("model:N"), alt.Color("model:N", title="Model"))
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", thickness=1.2, size=12),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14),
    ).properties(width=110, height=80)
    return sized(facets(chart, data, "panel", columns=3, independent_y=True), DOUBLE)
