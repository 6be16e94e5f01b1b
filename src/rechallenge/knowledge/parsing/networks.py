"""Who acts on whom: transcription factors (CollecTRI), pathway footprints (PROGENy), proteins (STRING), miRNAs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import content, delimited, joined, pick, sniffed

if TYPE_CHECKING:
    import pandas as pd


def collectri(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """CollecTRI_regulons.csv: one row per transcription factor and target, weight +1 (activates) or -1 (represses).

    Mueller-Dott et al. 2023, doi:10.1093/nar/gkad841.
    """
    import pandas as pd

    columns = {
        "regulator": ("source",),
        "target": ("target",),
        "weight": ("weight",),
        "resources": ("resources",),
        "pmids": ("PMID", "references"),
        "sign_from": ("sign.decision", "sign_decision"),
    }
    frame = pick(sniffed(paths[0]), columns, "CollecTRI", optional=("resources", "pmids", "sign_from"))
    weight = pd.to_numeric(frame["weight"], errors="coerce")
    if not weight.isin([-1, 1]).all():
        raise FormatError("CollecTRI: weights are not all +1 or -1; the format has changed.")
    frame["pmids"] = joined(frame["pmids"], ";")
    frame["resources"] = joined(frame["resources"], ";")
    return frame, ""


def progeny(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """PROGENy weights as OmniPath gives them (one row per gene, record and label), or already one row per weight.

    Schubert et al. 2018, doi:10.1038/s41467-017-02391-6.
    """
    raw = sniffed(paths[0])
    if "label" not in raw.columns:
        columns = {
            "pathway": ("source", "pathway"),
            "gene": ("target", "gene", "genesymbol"),
            "weight": ("weight",),
            "p_value": ("padj", "p_value", "p.value"),
        }
        return pick(raw, columns, "PROGENy"), ""
    long = pick(raw, {n: (n,) for n in ("genesymbol", "record_id", "label", "value")}, "PROGENy (OmniPath annotations)")
    wide = long.pivot_table(index=["genesymbol", "record_id"], columns="label", values="value", aggfunc="first")
    wide = wide.reset_index()
    named = {"gene": ("genesymbol",), "pathway": ("pathway",), "weight": ("weight",), "p_value": ("p_value",)}
    frame = pick(wide, named, "PROGENy")
    return frame.sort_values(["pathway", "gene"], kind="stable", ignore_index=True), ""


def string_links(paths: list[Path], minimum: int = 400) -> tuple[pd.DataFrame, str]:
    """protein.links (separated by spaces) with the names of protein.info: one row per pair with a combined score
    (0 to 1000) of at least `minimum`. Szklarczyk et al. 2023, doi:10.1093/nar/gkac1000."""
    import pandas as pd

    info = pick(
        delimited(paths[1], quoted=False),
        {"protein": ("#string_protein_id", "string_protein_id"), "gene": ("preferred_name",)},
        "STRING protein.info",
    )
    name_of = dict(zip(info["protein"], info["gene"], strict=True))
    kept = []
    with content(paths[0]) as stream:
        blocks = pd.read_csv(stream, sep=" ", chunksize=1_000_000)
        for block in blocks:
            part = pick(block, {n: (n,) for n in ("protein1", "protein2", "combined_score")}, "STRING protein.links")
            # each pair is written in both directions
            kept.append(part[(part["combined_score"] >= minimum) & (part["protein1"] < part["protein2"])])
    links = pd.concat(kept, ignore_index=True)
    frame = pd.DataFrame(
        {
            "gene_a": links["protein1"].map(name_of),
            "gene_b": links["protein2"].map(name_of),
            "protein_a": links["protein1"].str.removeprefix("9606."),
            "protein_b": links["protein2"].str.removeprefix("9606."),
            "score": links["combined_score"],
        }
    )
    if frame[["gene_a", "gene_b"]].isna().any(axis=None):
        raise FormatError("STRING: protein.links and protein.info are not of one release.")
    return frame, ""


def targetscan(paths: list[Path], species: int = 9606) -> tuple[pd.DataFrame, str]:
    """Predicted_Targets_Info.default_predictions.txt: one row per miRNA family, gene and site in the human 3' UTR.

    McGeary et al. 2019, doi:10.1126/science.aav1741.
    """
    columns = {
        "family": ("miR Family",),
        "ensembl": ("Gene ID",),
        "gene": ("Gene Symbol",),
        "transcript": ("Transcript ID",),
        "species": ("Species ID",),
        "utr_start": ("UTR start",),
        "utr_end": ("UTR end",),
        "site_type": ("Seed match",),
        "pct": ("PCT",),
    }
    frame = pick(delimited(paths[0], quoted=False, member=".txt"), columns, "TargetScan", optional=("pct",))
    frame = frame[frame["species"] == str(species)].copy()
    frame["ensembl"] = frame["ensembl"].str.partition(".")[0]
    frame["transcript"] = frame["transcript"].str.partition(".")[0]
    frame["pct"] = frame["pct"].where(~frame["pct"].isin(["NULL", "N/A", "NA"]), "")
    return frame, ""
