"""What a sheet of images must say, and what reading makes of the images."""

from __future__ import annotations

from functools import lru_cache

from rechallenge.tables.contract import Column, Contract

#: what a channel shows, by words of its stain
ROLES: dict[str, tuple[str, ...]] = {
    "nuclei": ("dapi", "hoechst", "dna", "nuclei", "nuclear", "draq5", "to-pro"),
    "droplets": ("bodipy", "nile red", "oil red", "lipid", "droplet", "perilipin", "plin", "lipidtox"),
    "vesicles": ("vesicle", "puncta", "foci", "speckle", "h2ax", "exosome", "lysotracker", "lc3", "cd63", "endosome"),
    "ihc": ("dab", "ihc", "immunohistochem"),
}
NAMES: dict[str, tuple[str, str]] = {"droplets": ("droplet", "droplets"), "vesicles": ("vesicle", "vesicles")}


def role_of(stain: str) -> str:
    """nuclei, droplets, vesicles, ihc, or signal for any other stain.

    >>> role_of("BODIPY 493/503"), role_of("Hoechst"), role_of("gamma-H2AX foci"), role_of("CD44")
    ('droplets', 'nuclei', 'vesicles', 'signal')
    """
    words = stain.casefold()
    return next((role for role, known in ROLES.items() if any(k in words for k in known)), "signal")


IMAGES = Contract(
    name="images",
    about='Microscopy: images = { values = "images/*.tif", samples = "images.csv" }. The sheet has one row per image '
    "(or per channel of one): file, model, group, replicate, stain, and pixel_size_um; reading turns the images into "
    "one row per field and quantity (assay, value, unit). Channels of one field have one name in column field.",
    columns=(
        Column("file", "name of the image file, as the pattern finds it (the folder may be left out)", required=True,
               also=("image", "filename", "file name")),
        Column("model", "as named in study.toml", refers="model", also=("cell_line", "cells")),
        Column("group", "what is compared: treatment, line, stage", required=True,
               also=("treatment", "condition", "arm")),
        Column("replicate", "biological replicate; fields of one are averaged", required=True, also=("experiment",)),
        Column("block", "experiment or day that groups share", also=("batch", "day")),
        Column("field", "field of view; the channels of one field share it", also=("position", "site", "image set")),
        Column("channel", "number of the channel in the file, from 1; empty where the file has one", "integer", low=1),
        Column("stain", "DAPI, BODIPY, gamma-H2AX foci, DAB, ... : says what is counted", required=True,
               also=("marker", "dye", "antibody")),
        Column("role", "nuclei, droplets, vesicles, ihc or signal, where the stain does not say it",
               choices=("nuclei", "droplets", "vesicles", "ihc", "signal")),
        Column("pixel_size_um", "edge of a pixel; without it sizes are in pixels", "number", unit="µm", low=0.0,
               low_open=True, also=("pixel_size", "um_per_pixel")),
        # made by reading, empty in the sheet
        Column("assay", "what was measured (made by reading)"),
        Column("value", "its value (made by reading)", "number", measured=True),
        Column("unit", "its unit (made by reading)"),
        Column("n_objects", "nuclei, droplets or pixels behind it (made by reading)", "number"),
        Column("overlay", "small picture with the outlines found (made by reading)"),
    ),
    key=("file", "field", "assay"),
    reader="rechallenge.assays.images.reading:read",
    example=(
        "file,model,group,replicate,field,stain,pixel_size_um\n"
        "lr_1_dapi.tif,Huh-7 LR,vehicle,1,1,DAPI,0.32\n"
        "lr_1_bodipy.tif,Huh-7 LR,vehicle,1,1,BODIPY,0.32\n"
    ),
)  # fmt: skip


@lru_cache(maxsize=1)
def sheet_form() -> Contract:
    """The sheet as the lab writes it: what reading makes is not in it."""
    return Contract("images", "one row per image", IMAGES.columns[:10])
