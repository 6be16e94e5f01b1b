"""Whose cells a trajectory may lead from and to: models and their parents, and the two groups of one patient."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.contrasts import Comparison, Group
from rechallenge.omics.cells.groups import groups_of, rank
from rechallenge.omics.cells.pseudobulk import GROUPS

#: contrasts of two groups of one patient
PAIR = "pair"


def sides(
    part: pd.DataFrame, models: pd.DataFrame, contrasts: pd.DataFrame | None, patients: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[Comparison]]:
    """Cells of one data set as they are compared (`grouped`; what has no model bears the name of its patient and
    group), and the comparisons.

    Cells of two patients are never put on one way: a difference between patients is no course.
    """
    sheet = groups.grouped(part)
    group = groups_of(part, patients)
    named = part["patient"].fillna("").astype(str) if "patient" in part else pd.Series("", index=part.index)
    people = (sheet["model"] == "") & (group != "")
    label = pd.Series(np.where(named != "", named + " " + group, group), index=part.index)
    sheet.loc[people, "model"] = label[people]
    sheet.loc[people, "treatment"] = groups.VEHICLE  # the group says it
    sheet.loc[people, "stage"] = ""
    found = groups.of(sheet[(sheet["model"] != "") & ~people], models, contrasts)
    for patient, own in group[people].groupby(named[people], sort=True):
        for a, b in combinations(sorted(set(own)), 2):
            one, two = (b, a) if rank(b) >= rank(a) else (a, b)
            ends = (f"{patient} {one}", f"{patient} {two}") if patient else (one, two)
            found.append(Comparison(PAIR if patient else GROUPS, Group(ends[0]), Group(ends[1])))
    return sheet, found
