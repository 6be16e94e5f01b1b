"""What tables of tumour volumes, body weights and end-point organs must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.assays.tumours.arms import parse_arms, unread_combination
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

#: mm³ from which a tumour does not vanish between two visits
LARGE = 100.0
WIDE = "rechallenge.assays.tumours.reading:read_days"


def _warning(code: str, message: str, remedy: str, frame: pd.DataFrame, at: object, **more: object) -> Fault:
    return Fault(code, message, remedy, severity="warning", **{**place(frame, at), **more})


def known_models(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Names of models that study.toml does not have: their role (parental, resistant) is not known."""
    known = {str(m) for m in models["model"]} if "model" in models else set()
    names = frame["model"].fillna("").astype(str)
    unknown = sorted(set(names) - known - {""})
    if unknown and known:
        first = frame.index[names == unknown[0]][0]
        yield _warning(
            "unknown-model",
            f"study.toml has no model {', '.join(unknown[:5])}{' and more' if len(unknown) > 5 else ''}: whether "
            "these tumours are resistant is not known.",
            "Add them under [models], or mend the name.",
            frame, first, column="model", value=unknown[0], count=len(unknown),
        )  # fmt: skip


def a_control(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model wants a control arm, and a combination says of what it is."""
    for model, rows in frame.groupby(frame["model"].fillna(""), sort=True):
        arms = parse_arms([str(a) for a in rows["arm"]])
        where = f" of {model}" if model else ""
        if all(a.parts for a in arms.values()):
            yield _warning(
                "no-control",
                f"no arm{where} is called vehicle or control: nothing can be compared with untreated tumours.",
                "Call the control arm vehicle.",
                frame, rows.index[0], column="arm", value=", ".join(list(arms)[:5]),
            )  # fmt: skip
        for label in [a.label for a in arms.values() if unread_combination(a)]:
            yield _warning(
                "combination-of-what",
                f"the arm {label}{where} does not say what was combined, and there are not exactly two single arms.",
                "Write the label as 'drug A + drug B', with the names of the single arms.",
                frame, rows.index[rows["arm"] == label][0], column="arm", value=label,
            )  # fmt: skip


def one_arm_an_animal(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """An animal in two arms is two animals of one number, or a mistake."""
    arms = frame.groupby([frame["model"].fillna(""), "animal"], sort=True)["arm"].nunique()
    several = arms[arms > 1]
    if len(several):
        model, animal = several.index[0]
        first = frame.index[(frame["animal"] == animal) & (frame["model"].fillna("") == model)][0]
        yield Fault(
            "animal-in-two-arms",
            "this animal stands in more than one arm; it is taken as one animal per arm (numbers that start anew).",
            "Give every animal a number of its own.",
            column="animal", value=str(animal), count=len(several), severity="note", **place(frame, first),
        )  # fmt: skip


def volumes_in_mm3(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Tumours of a few cubic millimetres throughout are volumes in cubic centimetres."""
    volume = frame["volume_mm3"].dropna()
    if len(volume) and (volume > 0).any() and volume.max() < 12:
        yield _warning(
            "cubic-centimetres",
            f"the largest tumour has {volume.max():g} mm³: these look like cm³.",
            "Multiply by 1,000 where they are cm³.",
            frame, volume.idxmax(), column="volume_mm3", value=f"{volume.max():g}",
        )  # fmt: skip


def length_over_width(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """The length of a tumour is its longer diameter."""
    bad = frame.index[frame["width_mm"] > frame["length_mm"]]
    if len(bad):
        yield Fault(
            "width-over-length",
            "the width is above the length; the longer one is taken as the length.",
            "Check that the two columns are not exchanged.",
            column="width_mm", count=len(bad), severity="note", **place(frame, bad[0]),
        )  # fmt: skip


def gone_at_once(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A tumour of some size that is 0 at the next visit is more often an animal that died than a regression."""
    keys = [frame["model"].fillna(""), frame["arm"], frame["animal"]]
    ordered = frame.sort_values("day", kind="mergesort")
    before = ordered.groupby(keys, sort=False)["volume_mm3"].shift().reindex(frame.index)
    bad = frame.index[(frame["volume_mm3"] == 0) & (before >= LARGE)]
    if len(bad):
        yield _warning(
            "gone-at-once",
            f"a tumour of {before[bad[0]]:,.0f} mm³ is 0 at the next measurement. A 0 counts as a complete regression; "
            "an animal that died or was removed has no volume.",
            "Leave the cell empty where the animal was gone.",
            frame, bad[0], column="volume_mm3", value=str(frame.loc[bad[0], "animal"]), count=len(bad),
        )  # fmt: skip


def no_weight(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A body weight of 0 is an animal that was not weighed."""
    bad = frame.index[frame["weight_g"] == 0]
    if len(bad):
        yield _warning(
            "zero-weight",
            "a body weight of 0 g is no weight (the animal was dead or not weighed): the row is not used.",
            "Leave the cell empty.",
            frame, bad[0], column="weight_g", value=str(frame.loc[bad[0], "animal"]), count=len(bad),
        )  # fmt: skip


def plausible_weights(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A mouse has 15 to 45 g, a rat up to 800 g."""
    weight = frame["weight_g"].dropna()
    if len(weight) and (weight.median() < 5 or weight.median() > 1000):
        yield _warning(
            "weight-unit",
            f"the median body weight is {weight.median():g} g.",
            "Give body weights in grams (per cent of the start is computed here).",
            frame, weight.index[0], column="weight_g", value=f"{weight.median():g}",
        )  # fmt: skip


def _shared(day: str) -> tuple[Column, ...]:
    return (
        Column("animal", "number or name of the animal", required=True,
               also=("mouse", "mouse id", "animal id", "id", "subject", "rat", "animal number", "mouse number")),
        Column("arm", "what it was given: vehicle, A, B, A + B; doses may follow, 'lenvatinib 10 mg/kg'", required=True,
               also=("arms", "group", "treatment", "treatment group", "therapy", "drug")),
        *([Column("day", day, "number", required=True, unit="days",
                  also=("days", "time", "times", "time point", "day of treatment", "days of treatment"))]
          if day else []),
        Column("model", "xenograft, as named in study.toml (empty: one model)",
               also=("tumor", "tumour", "cell line", "xenograft", "pdx", "donor")),
    )  # fmt: skip


TUMOURS = Contract(
    name="tumours",
    about="Tumour volumes: one row per animal and day, or wide (a row per animal, a column per day).",
    columns=(
        *_shared("day of treatment; the first day of a model counts as the start"),
        Column("volume_mm3", "tumour volume; 0 = no tumour to be felt", "number", unit="mm³", low=0.0, measured=True,
               also=("volume", "tumor volume", "tumour volume", "tv")),
        Column("length_mm", "longer diameter (in place of the volume, which is then L W² / 2)", "number", unit="mm",
               low=0.0, measured=True, also=("length", "long diameter", "diameter 1")),
        Column("width_mm", "shorter diameter", "number", unit="mm", low=0.0, measured=True,
               also=("width", "short diameter", "diameter 2")),
        Column("tumour_id", "where an animal bears several (left, right): their volumes are averaged",
               also=("flank", "tumor id", "side")),
        Column("perturbation", "shAKR1B1, AKR1B1 OE, shNC, ... where the label of the arm does not say it"),
        Column("removed", "why the animal left, on its last row: burden, dead, ulcer, end of study",
               also=("reason removed", "removal", "end point reason", "censor reason")),
    ),
    either=(("volume_mm3",), ("length_mm", "width_mm")),
    rules=(known_models, a_control, one_arm_an_animal, volumes_in_mm3, length_over_width, gone_at_once),
    reader=WIDE,
    example=(
        "animal,arm,day,volume_mm3,model\n"
        "1,vehicle,0,112,Huh-7 LR\n"
        "1,vehicle,3,190,Huh-7 LR\n"
        "2,lenvatinib 5 mg/kg,0,108,Huh-7 LR\n"
        "3,epalrestat 50 mg/kg,0,110,Huh-7 LR\n"
        "4,lenvatinib 5 mg/kg + epalrestat 50 mg/kg,0,115,Huh-7 LR\n"
    ),
)  # fmt: skip

BODY_WEIGHT = Contract(
    name="body_weight",
    about="Body weights: one row per animal and day, or wide (a row per animal, a column per day).",
    columns=(
        *_shared("day of treatment; the first weight of an animal counts as the start"),
        Column("weight_g", "body weight", "number", required=True, unit="g", low=0.0, measured=True,
               also=("weight", "body weight", "bw", "body mass")),
        Column("perturbation", "shAKR1B1, AKR1B1 OE, shNC, ... where the label of the arm does not say it"),
    ),
    rules=(known_models, plausible_weights, no_weight),
    reader=WIDE,
    example="animal,arm,day,weight_g,model\n1,vehicle,0,21.4,Huh-7 LR\n1,vehicle,3,21.9,Huh-7 LR\n",
)  # fmt: skip

ORGANS = Contract(
    name="organs",
    about="End-point values of animals: organ and tumour weights, nodule counts, blood values; one row per value.",
    columns=(
        *_shared(""),
        Column("readout", "liver weight, tumour weight, lung nodules, ALT, creatinine, ...", required=True,
               also=("organ", "tissue", "parameter", "analyte", "measure")),
        Column("value", "what was found", "number", required=True, low=0.0, measured=True,
               also=("weight", "count", "level", "result")),
        Column("unit", "g, U/L, nodules, ..."),
        Column("kind", "weight, count or level; empty: counts where the unit or name says so",
               choices=("", "weight", "count", "level")),
        Column("perturbation", "shAKR1B1, AKR1B1 OE, shNC, ... where the label of the arm does not say it"),
    ),
    rules=(known_models, a_control),
    example=(
        "animal,arm,readout,value,unit,model\n"
        "1,vehicle,liver weight,1.32,g,Huh-7 LR\n"
        "1,vehicle,lung nodules,14,nodules,Huh-7 LR\n"
    ),
)  # fmt: skip
