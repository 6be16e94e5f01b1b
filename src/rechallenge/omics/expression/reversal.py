"""What a treatment moves back of what resistance moved, in cells and in animals apart.

A resistant line before treatment is the control of the treatment and one side of the resistance contrast, so its own
noise looks like reversal. Per gene the intersection-union test (Berger 1982, doi:10.1080/00401706.1982.10487790) holds
all the same: a gene counts as moved back only as surely as the less sure of both changes. The connectivity score of all
genes is taken after the correlation that the shared samples alone induce has been removed.

A tumour is not a dish. Contrasts in xenografts (`in vivo`) and in cells (`in vitro`) are told apart, by the column
`system` of the sheet of samples, else by what the model is called; a gene that the same agent moves back in both is the
stronger claim, again by an intersection-union test. Tumours grown from a line that has no parent beside them are
compared with the resistance contrast of that line in cells, and where no resistant model was treated with an agent, the
treatment of its parent is taken and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.contrasts import VEHICLE
from rechallenge.faults import NotApplicable
from rechallenge.omics.expression.design import COMBINATION, RESISTANCE, TREATMENT, parts
from rechallenge.omics.expression.shared import BERGER, one_sided, own_lines
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
VITRO, VIVO = "in vitro", "in vivo"
RESISTANT, PARENT = "resistant line", "its parent"
#: what says in the name or the note of a model that it grew in an animal; in the column `system` of a sheet also
#: plainer words
_MODEL = re.compile(r"xenograft|xenogreffe|\bpdx\b|\bcdx\b|in[ _-]?vivo|orthotop|allograft", re.I)
_SHEET = re.compile(_MODEL.pattern + r"|tumou?r|\bmice\b|\bmouse\b|animal|nude|\bnsg\b", re.I)
_DISH = re.compile(r"organoid|in[ _-]?vitro|cultured|spheroid|\bcells?\b|cell line", re.I)
REVERSAL = (
    "dataset", "layer", "system", "agent", "resistance", "resistance_dataset", "treatment", "treated", "feature",
    "gene", "log2fc_resistance", "log2fc_treatment", "moved_back", "p_value", "q_value", "n", "status",
)  # fmt: skip
CONNECTIVITY = (
    "dataset", "layer", "system", "agent", "resistance", "resistance_dataset", "treatment", "treated", "n_features",
    "correlation", "correlation_by_design", "score", "p_value", "n_permutations", "status", "reason",
)  # fmt: skip
SYSTEMS = (
    "layer", "agent", "gene", "direction", "n_in_vitro", "n_in_vivo", "log2fc_in_vitro", "log2fc_in_vivo",
    "treatment_in_vitro", "treatment_in_vivo", "p_in_vitro", "p_in_vivo", "p_value", "q_value", "n", "status", "reason",
)  # fmt: skip


def systems(models: pd.DataFrame | None, *sheets: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """(Data set, model) -> "in vivo" or "in vitro"; ("", model) is what the model's name and note say.

    The column `system` of a sheet goes first; a model of which a sheet says both is in vivo in neither and so left to
    its name (`one_system` makes that a fault on reading).
    """
    out: dict[tuple[str, str], str] = {}
    for row in [] if models is None else models.fillna("").to_dict("records"):
        text = f"{row['model']} {row.get('note', '')}"
        out["", str(row["model"])] = VIVO if _MODEL.search(text) else VITRO
    for sheet in sheets:
        if sheet is None or "system" not in sheet.columns:
            continue
        told = sheet[sheet["system"].fillna("").astype(str).str.strip() != ""]
        for (dataset, model), rows in told.groupby(["dataset", "model"], sort=True):
            said = {system_of(str(v)) for v in rows["system"]}
            if len(said) == 1:
                out[str(dataset), str(model)] = said.pop()
    return out


def system_of(text: str) -> str:
    """What a word of the column `system` says.

    >>> system_of("xenograft tumour"), system_of("tumour organoid"), system_of("cells")
    ('in vivo', 'in vitro', 'in vitro')
    """
    return VIVO if _SHEET.search(text) and not _DISH.search(text) else VITRO


def agent_of(treatment: str, against: str) -> str:
    """What was given more on one side of a contrast: the drugs of the treatment that its control lacks.

    >>> agent_of("sorafenib + lefamulin", "sorafenib"), agent_of("lefamulin", "vehicle")
    ('lefamulin', 'lefamulin')
    """
    more, less = ({p.casefold(): p for p in (parts(t) or (t,)) if p != VEHICLE} for t in (treatment, against))
    return " + ".join(sorted(v for k, v in more.items() if k not in less))


@dataclass(frozen=True)
class _Pair:
    """One contrast of resistance and one of treatment, over the features that both tested."""

    line: pd.DataFrame
    given: pd.DataFrame
    system: str
    treated: str

    @property
    def agent(self) -> str:
        return agent_of(_text(self.given, "treatment"), _text(self.given, "against_treatment"))

    @property
    def key(self) -> dict[str, str]:
        return {
            "dataset": _text(self.given, "dataset"), "layer": _text(self.given, "layer"), "system": self.system,
            "agent": self.agent, "resistance": _text(self.line, "contrast"),
            "resistance_dataset": _text(self.line, "dataset"), "treatment": _text(self.given, "contrast"),
            "treated": self.treated,
        }  # fmt: skip


def _text(table: pd.DataFrame, column: str) -> str:
    return str(table[column].iloc[0])


@analysis(
    title="Genes that a treatment moves back",
    gives=("reversal", "connectivity", "reversal_systems"),
    reference=BERGER,
    methods="Features that resistance moved one way and a treatment of the resistant line the other were found by an "
    f"intersection-union test ({BERGER}), in cells and in animals apart; those that one agent moves back in both by "
    "the same test over both (the surest contrast of a system times the number of its contrasts). The connectivity "
    "score is minus the rank correlation of both contrasts after removing the correlation that their shared samples "
    "alone induce, with {n_permutations} permutations of features.",
    formula=(
        "p = max(p_resistance, p_treatment), opposite signs; score = -rho of both contrasts after the "
        "correlation by shared samples"
    ),
    oracle="No outside reference: 200 studies without and with planted reversal (tests/omics/test_reversal.py)",
    limits=(
        "Moving back transcripts is not restoring sensitivity. The permutation p of the score takes genes as "
        "independent, which they are not."
    ),
)
def reversal(
    differential: pd.DataFrame,
    models: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    proteins_samples: pd.DataFrame | None = None,
    *,
    n_permutations: int = 2000,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`reversal`: one row per feature, contrast of resistance and treatment (`REVERSAL`; `moved_back` is the share of
    the resistance effect that the treatment takes back, nan where that effect is not shown). `connectivity`: one row
    per such pair (`CONNECTIVITY`; score +1 full reversal, -1 the same again). `reversal_systems`: one row per layer,
    agent and gene for agents given in cells and in animals (`SYSTEMS`; p of being moved back in both).

    `treated` says whether the resistant line was treated or, where no resistant model of that system was given the
    agent, its parent. `direction` is that of the change in resistance. Features are not independent, so the
    permutation p is a guide, which `reason` says. Raises NotApplicable where nothing was treated.
    """
    table = differential[differential["p_value"].notna()]
    where = systems(models, expression_samples, proteins_samples)
    pairs = [p for _, part in table.groupby("layer", sort=True) for p in _pairs(part, models, where)]
    if not pairs:
        raise NotApplicable("no resistant line or its parent was treated with anything")
    rng = np.random.default_rng(seed)
    tables = [_reversed(p) for p in pairs]
    scores = [_connectivity(p, n_permutations, rng) for p in pairs]
    both = [_both(part, agent) for agent, part in _of_both(tables)]
    whole = pd.concat(both, ignore_index=True) if both else pd.DataFrame(columns=list(SYSTEMS))
    return {
        "reversal": pd.concat(tables, ignore_index=True).reindex(columns=list(REVERSAL)),
        "connectivity": pd.DataFrame(scores, columns=list(CONNECTIVITY)),
        "reversal_systems": whole.reindex(columns=list(SYSTEMS)),
    }


def _pairs(part: pd.DataFrame, models: pd.DataFrame | None, where: Mapping[tuple[str, str], str]) -> list[_Pair]:
    """Every treatment beside every contrast of resistance that it may move back, in a fixed order."""
    lines = [p for _, p in own_lines(part[part["kind"] == RESISTANCE]).groupby(["dataset", "contrast"], sort=True)]
    given = part[part["kind"].isin([TREATMENT, COMBINATION])]
    same = _same_line(models)
    found = []
    for line in lines:
        resistant, parent = _text(line, "model"), _text(line, "against")
        for (dataset, _), rows in given.groupby(["dataset", "contrast"], sort=True):
            model = _text(rows, "model")
            treated = RESISTANT if same(model, resistant) else PARENT if same(model, parent) else ""
            away = str(dataset) != _text(line, "dataset")
            # tumours with a parent of their own beside them have a contrast of resistance of their own
            if not treated or (away and any(_text(x, "dataset") == dataset and _owns(x, model, same) for x in lines)):
                continue
            one, two = line.set_index("feature"), rows.set_index("feature")
            common = one.index.intersection(two.index)
            if len(common) >= 3:
                system = where.get((str(dataset), model), where.get(("", model), VITRO))
                found.append(_Pair(one.loc[common], two.loc[common], system, treated))
    own = {(p.system, p.agent) for p in found if p.treated == RESISTANT}
    return [p for p in found if p.treated == RESISTANT or (p.system, p.agent) not in own]


def _owns(line: pd.DataFrame, model: str, same: Any) -> bool:
    return bool(same(model, _text(line, "model")) or same(model, _text(line, "against")))


def _same_line(models: pd.DataFrame | None) -> Any:
    """Whether two models are one line: one name, or one that says that it was made from the other (`cell_line`)."""
    made: dict[str, str] = {}
    if models is not None and "cell_line" in models.columns:
        known = models.fillna("")
        made = dict(zip(known["model"].astype(str), known["cell_line"].astype(str), strict=True))
    roles = {} if models is None else dict(zip(models["model"].astype(str), models["role"].astype(str), strict=True))

    def same(a: str, b: str) -> bool:
        return a == b or (made.get(a) == b and roles.get(a) == roles.get(b))

    return same


def _groups(table: pd.DataFrame) -> tuple[tuple[tuple[str, ...], float], tuple[tuple[str, ...], float]]:
    """Both groups of a contrast (data set, model, treatment, stage) with their numbers of samples."""
    first = tuple(_text(table, c) for c in ("dataset", "model", "treatment", "stage"))
    second = tuple(_text(table, c) for c in ("dataset", "against", "against_treatment", "against_stage"))
    return (first, float(table["n_test"].median())), (second, float(table["n_reference"].median()))


def design_correlation(one: pd.DataFrame, two: pd.DataFrame) -> tuple[float, float]:
    """Correlation of two contrasts through the samples that they share, and the number of these; (0, 0) without."""
    a, b = _groups(one), _groups(two)
    shared = cov = 0.0
    for sign_a, (group, n) in zip((1, -1), a, strict=True):
        for sign_b, (other, _) in zip((1, -1), b, strict=True):
            if group == other and n > 0:
                cov += sign_a * sign_b / n
                shared += n
    sizes = [[n for _, n in x] for x in (a, b)]
    if not shared or min(min(s) for s in sizes) <= 0:
        return 0.0, shared
    variance = [sum(1 / n for n in s) for s in sizes]
    return float(cov / np.sqrt(variance[0] * variance[1])), shared


def _reversed(pair: _Pair) -> pd.DataFrame:
    """Every feature of a pair; `_up` and `_down` are one-sided p of raised and moved back, lowered and moved back."""
    one, two = pair.line, pair.given
    (up1, down1), (up2, down2) = one_sided(one), one_sided(two)
    raised, lowered = np.maximum(up1, down2), np.maximum(down1, up2)
    p = np.minimum(1.0, 2 * np.minimum(raised, lowered))
    a, b = one["log2fc"].to_numpy(dtype=float), two["log2fc"].to_numpy(dtype=float)
    shown = one["p_value"].to_numpy(dtype=float) < 0.05
    with np.errstate(invalid="ignore", divide="ignore"):
        back = np.where(shown, -b / a, np.nan)
    n = one["n"].to_numpy(dtype=float) + two["n"].to_numpy(dtype=float) - design_correlation(one, two)[1]
    columns = {
        "feature": one.index, "gene": one["gene"].to_numpy(), "log2fc_resistance": a, "log2fc_treatment": b,
        "moved_back": back, "p_value": p, "q_value": bh(p), "n": n, "status": "estimated", "_up": raised,
        "_down": lowered,
    }  # fmt: skip
    return pd.DataFrame({**pair.key, **columns})


def _connectivity(pair: _Pair, n_permutations: int, rng: np.random.Generator) -> dict[str, Any]:
    one, two = pair.line, pair.given
    z = [stats.norm.ppf(stats.rankdata(t["statistic"]) / (len(t) + 1)) for t in (one, two)]
    rho = design_correlation(one, two)[0]
    r = float(np.corrcoef(z[0], z[1])[0, 1])
    rest = (z[1] - rho * z[0]) / np.sqrt(1 - rho**2)
    score = -float(np.corrcoef(z[0], rest)[0, 1])
    m = len(rest)
    first, second = ((v - v.mean()) / v.std() for v in (z[0], rest))
    null = np.array([first @ second[rng.permutation(m)] / m for _ in range(n_permutations)])
    p = (float(np.sum(np.abs(null) >= abs(score))) + 1) / (n_permutations + 1)
    return {
        **pair.key, "n_features": m, "correlation": r, "correlation_by_design": rho, "score": score, "p_value": p,
        "n_permutations": n_permutations, "status": "estimated",
        "reason": "features are not independent: the permutation p is too small where they move together",
    }  # fmt: skip


def _of_both(tables: list[pd.DataFrame]) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Layer and agent, with all its rows, where the agent was given in cells and in animals."""
    whole = pd.concat(tables, ignore_index=True)
    for key, part in whole.groupby(["layer", "agent"], sort=True):
        if part["system"].nunique() == 2:
            yield (str(key[0]), str(key[1])), part


def _both(part: pd.DataFrame, key: tuple[str, str]) -> pd.DataFrame:
    """The genes of one agent: in each system the surest of its contrasts times their number, then the less sure of
    both systems."""
    part = part.assign(pair=part["resistance_dataset"] + part["resistance"] + part["dataset"] + part["treatment"])
    sides = {}
    for system in (VITRO, VIVO):
        mine = part[part["system"] == system]
        count = mine["pair"].nunique()
        best = {}
        for name in ("_up", "_down"):
            order = mine.sort_values(["gene", name, "pair", "feature"], kind="mergesort").drop_duplicates("gene")
            best[name] = order.set_index("gene")
            best[name][name] = np.minimum(1.0, best[name][name] * count)
        sides[system] = (best, mine.groupby("gene")["pair"].nunique())
    genes = sorted(set(sides[VITRO][1].index) | set(sides[VIVO][1].index))
    p = {
        (system, name): sides[system][0][name][name].reindex(genes).to_numpy(dtype=float)
        for system in (VITRO, VIVO)
        for name in ("_up", "_down")
    }
    joint = {name: np.maximum(p[VITRO, name], p[VIVO, name]) for name in ("_up", "_down")}
    there = np.isfinite(joint["_up"]) & np.isfinite(joint["_down"])
    raised = np.where(there, joint["_up"] <= joint["_down"], True)
    out = pd.DataFrame({"layer": key[0], "agent": key[1], "gene": genes, "direction": np.where(raised, 1, -1)})
    out["p_value"] = np.where(there, np.minimum(1.0, 2 * np.minimum(joint["_up"], joint["_down"])), np.nan)
    n = np.zeros(len(genes))
    for system in (VITRO, VIVO):
        best, seen = sides[system]
        short = system.replace(" ", "_")
        up, down = (best[name].reindex(genes) for name in ("_up", "_down"))
        out[f"n_{short}"] = seen.reindex(genes).fillna(0).astype(int).to_numpy()
        for column, name in (("log2fc_treatment", "log2fc"), ("treatment", "treatment")):
            out[f"{name}_{short}"] = np.where(raised, up[column], down[column])
        out[f"p_{short}"] = np.minimum(1.0, 2 * np.where(raised, p[system, "_up"], p[system, "_down"]))
        n += np.where(raised, up["n"], down["n"]).astype(float)
    out["n"] = n
    out["direction"] = out["direction"].where(there, 0)
    out["status"] = np.where(there, "estimated", "not_testable")
    lacking = np.where(out["n_in_vivo"] == 0, VIVO, VITRO)
    out["reason"] = np.where(there, "", [f"not measured {s}" for s in lacking])
    out["q_value"] = bh(out["p_value"])
    return out
