"""The first screen: what the study answers, in a sentence with its uncertainty, and what it could not tell.

Each part looks at the result tables that exist and says nothing where its table is absent, so a new analysis adds a
part here and nothing else changes. Wording rests on intervals and typed statuses, never on a p-value alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from rechallenge.evidence import AMOUNT
from rechallenge.record import RunRecord
from rechallenge.report import words
from rechallenge.report.words import ALPHA

#: result tables of the whole study, shown right below the answer, in this order
FRONT = {
    "chains": "From drug to patient",
    "candidates": "Ranked candidates",
    "repurposing": "Drugs that could act on them",
    "drugs": "Drugs and what they do",
    "combinations": "Combinations",
    "next_experiment": "The next experiment",
}
#: drugs of one line that the first screen names, the strongest first; the others are in the table
NAMED = 8
Verdict = Literal["resistant", "sensitive", "alike", "untold"]


@dataclass(frozen=True)
class Point:
    """One line under the answer: a label, a sentence, and particulars; `target` is a section to go to.

    `rest` says, item by item, how many more there are than the item names (0: it names all).
    """

    label: str
    text: str
    items: tuple[str, ...] = ()
    target: str = ""
    rest: tuple[int, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, int], ...]:
        """Each item with how many more there are."""
        return tuple(zip(self.items, self.rest or (0,) * len(self.items), strict=True))


@dataclass(frozen=True)
class Answer:
    """The sentence and the points below it."""

    sentence: str
    points: tuple[Point, ...]


def answer(record: RunRecord) -> Answer:
    """What this run answers, from whichever result tables it has."""
    sentences = [(label, s) for label, part in _SENTENCES if (s := part(record))]
    points = [p for part in _POINTS for p in part(record)]
    if not sentences:
        sentences = [("", _nothing(record))]
    first, *others = sentences
    lead = [Point(label, s) for label, s in others]
    return Answer(first[1], (*lead, *points))


def verdict(row: Any) -> Verdict:
    """What a row of `resistance_index` shows: its interval (or bound) above 1, below 1, around 1, or nothing.

    An estimated index counts as different from 1 when its interval excludes 1 and its q, where there is one, is at
    most 0.05. A bound counts when it lies beyond 1.
    """
    status = str(row["status"])
    low, high = _limit(row["ci_low"], 0.0), _limit(row["ci_high"], math.inf)
    if status.startswith("censored"):
        return "resistant" if low > 1 else "sensitive" if high < 1 else "untold"
    if status != "estimated" or words.is_missing(row["ri"]):
        return "untold"
    q = row.get("q_value", float("nan"))
    if words.is_missing(q):
        q = row.get("p_value", float("nan"))
    clear = words.is_missing(q) or float(q) <= ALPHA
    return "resistant" if clear and low > 1 else "sensitive" if clear and high < 1 else "alike"


def indices(record: RunRecord) -> pd.DataFrame:
    """The rows of `resistance_index` that compare unperturbed models, with a column `verdict`.

    A column `where` holds the conditions (medium, stage, hours) where the rows differ in them.
    """
    table = record.tables.get("resistance_index")
    if table is None or not {"model", "drug", "ri", "ci_low", "ci_high", "status"} <= set(table.columns):
        return pd.DataFrame(
            columns=["model", "parent", "drug", "ri", "ci_low", "ci_high", "status", "verdict", "where"]
        )
    kept = table
    if "perturbation" in kept.columns:
        plain = kept["perturbation"].isna() | kept["perturbation"].astype(str).str.lower().isin(["", "none"])
        kept = kept[plain]
    kept = _last_stage(kept).reset_index(drop=True)
    told = [c for c in ("medium", "stage", "hours") if c in kept.columns and len(set(kept[c].fillna(""))) > 1]
    where = [
        ", ".join(_condition(c, row[c]) for c in told if not words.is_missing(row[c])) for _, row in kept.iterrows()
    ]
    return kept.assign(verdict=[verdict(row) for _, row in kept.iterrows()], where=where)


def _last_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Where a line was tested at several stages of its selection: the line as it is, else its last stage."""
    if "stage" not in table.columns or table.empty:
        return table
    stage = table["stage"].fillna("").astype(str)
    order = stage.map(lambda s: (s != "", [(not t.isdigit(), int(t) if t.isdigit() else 0, t) for t in _parts(s)]))
    by = [c for c in ("model", "drug", "medium", "hours") if c in table.columns]
    keep = []
    for _, part in table.groupby(by, sort=False, dropna=False):
        places = order[part.index]
        plain = stage[part.index] == ""
        last = max(places)
        keep += list(part.index[plain] if plain.any() else part.index[[p == last for p in places]])
    return table.loc[sorted(keep)]


def _parts(text: str) -> list[str]:
    return re.findall(r"\d+|\D+", text)


def _condition(column: str, value: Any) -> str:
    return f"{words.number(value, trim=True)} h" if column == "hours" else f"{column} {value}"


def _drug(row: Any) -> str:
    """The drug, with the conditions that tell this comparison from another one with it."""
    return f"{row['drug']} ({row['where']})" if row["where"] else str(row["drug"])


def confidence(record: RunRecord, table: str) -> str:
    """`95 % CI`, from the option of the step that gave the table; `CI` where it has no such option."""
    for step in record.steps:
        if step.kind == "analysis" and table in (step.outputs or (step.name,)):
            level = step.options.get("confidence")
            if isinstance(level, int | float) and 0 < level < 1:
                return f"{100 * level:g} % CI"
    return "CI"


def _limit(value: Any, otherwise: float) -> float:
    return otherwise if words.is_missing(value) else float(value)


def _fold(row: Any, ci: str) -> str:
    """`3.89-fold (95 % CI 3.25 to 4.66; q = 0.002)` or `more than 5-fold`."""
    if words.is_missing(row["ri"]):
        limit = words.bound(row["ci_low"], row["ci_high"])
        return limit.replace(">", "more than").replace("<", "less than") + "-fold"
    inside = words.interval(row["ci_low"], row["ci_high"])
    q = words.equals("q", row.get("q_value")) or words.equals("p", row.get("p_value"))
    said = "; ".join(t for t in (f"{ci} {inside}" if inside else "", q) if t)
    return f"{words.number(row['ri'])}-fold" + (f" ({said})" if said else "")


def _brief(row: Any) -> str:
    """`2.99 (2.53 to 3.52)` or `> 5`."""
    if words.is_missing(row["ri"]):
        return words.bound(row["ci_low"], row["ci_high"])
    inside = words.interval(row["ci_low"], row["ci_high"])
    return words.number(row["ri"]) + (f" ({inside})" if inside else "")


def _strength(row: Any) -> float:
    """How far an index, or a bound, lies from 1."""
    given = [float(v) for v in (row["ri"], row["ci_low"], row["ci_high"]) if not words.is_missing(v)]
    given = [v for v in given if 0 < v < math.inf]
    return abs(math.log(given[0])) if given else 0.0


def _selected(record: RunRecord, table: pd.DataFrame) -> pd.Series[bool]:
    """Rows in which a model meets the drug it was selected with (any therapy, where that is not said)."""
    drugs = {name: m.selected_with for name, m in record.study.models.items()}
    therapies = set(record.study.therapies)

    def asked(model: str, drug: str) -> bool:
        chosen = drugs.get(model, "")
        return drug == chosen if chosen else drug in therapies

    return pd.Series(
        [asked(str(m), str(d)) for m, d in zip(table["model"], table["drug"], strict=True)],
        index=table.index,
        dtype=bool,
    )


# sentences ------------------------------------------------------------------------------------------------------


def _candidate(record: RunRecord) -> str:
    """The gene that most speaks for, how sure that is, and the drug that reaches it."""
    table = record.tables.get("candidates")
    if table is None or table.empty or "entity" not in table.columns:
        return ""
    first = (table.sort_values("rank") if "rank" in table.columns else table).iloc[0]
    if first.get("status", "estimated") != "estimated":
        return ""  # one family of evidence ranks genes, and makes no case
    tier = 3 if words.is_missing(first.get("tier")) else int(first["tier"])
    way = {1: ", high in resistance,", -1: ", low in resistance,"}.get(first.get("direction", 0), "")
    said = [q] if (q := words.equals("q", first.get("q_value"))) else []
    if not words.is_missing(first.get("rank_high")):
        low, high = math.floor(first["rank_low"]), math.ceil(first["rank_high"])
        reach = f"rank {low}" + (f" to {high}" if high > low else "")
        said.append(f"{reach} in 90 % of resamplings")
    sure = f" ({'; '.join(said)})" if said else ""
    kinds = [k for k in str(first.get("streams_for") or "").split(", ") if k]
    agree = f"{words.counted(len(kinds), 'independent kind')} of evidence" if kinds else "the evidence"
    if tier == 1:
        verb = "converges" if len(kinds) < 2 else "converge"
        text = f"{first['entity']}{way} is the likeliest driver of resistance: {agree} {verb}{sure}"
    elif tier == 2:
        text = f"{first['entity']}{way} is the best supported driver of resistance, not yet convergent: {agree}{sure}"
    else:
        text = f"No gene is sure enough to be called; {first['entity']}{way} ranks first{sure}"
    against = first.get("streams_against")
    text += "" if words.is_missing(against) else f", against it {against}"
    return f"{text}{_reached_by(record, str(first['entity']))}."


def _reached_by(record: RunRecord, gene: str) -> str:
    """The drug of the gene's chain, with what is known of it."""
    table = record.tables.get("chains")
    if table is None or table.empty:
        return ""
    mine = table[(table["candidate"] == gene) & (table["drug"] != "")]
    if mine.empty:
        return "; no drug is known to reach it"
    if "chain" in mine.columns:
        mine = mine[mine["chain"] == mine["chain"].iloc[0]]
    state = dict(zip(mine["kind"], mine["state"], strict=True))
    drug, reach, restores = mine["drug"].iloc[0], state["drug reaches target"], state["drug restores sensitivity"]
    target = mine.loc[mine["kind"] == "drug reaches target", "target"].iloc[0]
    text = f"; {drug} reaches {'it' if target == gene else target} ({reach})"
    if reach == "not tested":
        moves = state.get("drug moves effector", reach)
        text = f"; of {drug} no target is known in this case, that it moves {gene} is {moves}"
    if restores.startswith("measured"):
        return f"{text} and restores sensitivity ({restores})"
    return f"{text}; that it restores sensitivity is {restores.replace('tested, ', '')}"


def _resistance(record: RunRecord) -> str:
    table = indices(record)
    if table.empty:
        return ""
    ci = confidence(record, "resistance_index")
    asked = table[_selected(record, table)]
    if asked.empty:
        asked = table
    shown = asked[asked["verdict"] == "resistant"]
    if shown.empty:
        what = "the drug it was selected with" if len(asked) < len(table) else "any drug"
        if (asked["verdict"] == "untold").all():
            return f"Whether a line is resistant to {what} could not be told from these data."
        return f"No line was shown to be resistant to {what}."
    if len(shown) <= 3:
        said = [f"{r['model']} resists {_drug(r)} {_fold(r, ci)}" for _, r in shown.iterrows()]
        return f"{words.listed(said)}."
    known = [float(v) for v in shown["ri"] if not words.is_missing(v)]
    reach = f", {words.number(min(known))}- to {words.number(max(known))}-fold" if known else ""
    models = words.listed(dict.fromkeys(str(m) for m in shown["model"]), most=4)
    drugs = words.listed(dict.fromkeys(str(d) for d in shown["drug"]), most=4)
    compared = words.counted(len(asked), "comparison")
    return f"Resistance was shown in {len(shown)} of {compared}{reach}: {models} to {drugs}."


def _drug_found(record: RunRecord) -> str:
    """The drug that does most for the therapies in question, and how it does it."""
    table = record.tables.get("drugs")
    if table is None or table.empty or not {"drug", "summary"} <= set(table.columns):
        return ""
    others = table[table["therapy"] != "yes"] if "therapy" in table.columns else table
    if "finding" in others.columns:
        others = others[others["finding"].str.startswith(("restores", "a lead"))]
    if others.empty:
        return ""
    first = others.iloc[0]
    more = f" {words.counted(len(others) - 1, 'other such drug')} below." if len(others) > 1 else ""
    return f"{first['drug']}: {str(first['summary']).rstrip('.')}.{more}"


def _combined(record: RunRecord) -> str:
    """The first of the combinations, with its verdict."""
    table = record.tables.get("combinations")
    if table is None or table.empty or not {"drug_a", "drug_b", "model", "verdict"} <= set(table.columns):
        return ""
    first = table.iloc[0]
    return f"{first['drug_a']} with {first['drug_b']} in {first['model']}: {str(first['verdict']).rstrip('.')}."


def _patients(record: RunRecord) -> str:
    """How many genes hold up in patients, and which."""
    table = record.tables.get("survival")
    if table is None or table.empty or not {"gene", "cohort", "verdict"} <= set(table.columns):
        return ""
    cohorts = words.counted(table["cohort"].nunique(), "cohort")
    text = f"Of {words.counted(table['gene'].nunique(), 'gene')} looked at for survival in {cohorts}, "
    named = {v: sorted(set(table.loc[table["verdict"] == v, "gene"].astype(str))) for v in ("supported", "suggestive")}
    said = [f"{words.listed(genes, most=6)} {words.plain(verdict)}" for verdict, genes in named.items() if genes]
    return text + (f"{'; '.join(said)}." if said else "none is supported or suggestive.")


def _nothing(record: RunRecord) -> str:
    curves = record.tables.get("curves")
    if curves is not None and len(curves) and "status" in curves.columns:
        good = int((curves["status"] == "estimated").sum())
        return (
            f"{words.counted(len(curves), 'dose-response curve')} {'was' if len(curves) == 1 else 'were'} fitted; "
            f"{good} {'has' if good == 1 else 'have'} an IC50. Nothing in this study allows a comparison between lines."
        )
    if len(record.evidence):
        return f"{words.counted(len(record.evidence), 'claim')} came out of this study; they are listed below."
    return "No analysis could say anything from these tables; what was tried, and why it stopped, is listed below."


_SENTENCES: tuple[tuple[str, Callable[[RunRecord], str]], ...] = (
    ("Candidate", _candidate),
    ("Resistance", _resistance),
    ("Drugs", _drug_found),
    ("Combinations", _combined),
    ("Patients", _patients),
)

# points ---------------------------------------------------------------------------------------------------------


def _others(record: RunRecord) -> Iterable[Point]:
    """Cross-resistance, collateral sensitivity, no difference, not told."""
    table = indices(record)
    if table.empty:
        return
    ci = confidence(record, "resistance_index")
    asked = _selected(record, table)
    rest = table[~asked] if asked.any() else table.iloc[:0]
    target = "table-resistance_index"

    def point(label: str, text: str, rows: pd.DataFrame) -> Point:
        said: dict[str, list[tuple[float, str]]] = {}
        for _, r in rows.iterrows():
            said.setdefault(str(r["model"]), []).append((-_strength(r), f"{_drug(r)} {_brief(r)}"))
        items = tuple(f"{m}: {', '.join(text for _, text in sorted(drugs)[:NAMED])}" for m, drugs in said.items())
        return Point(label, text, items, target, tuple(max(0, len(drugs) - NAMED) for drugs in said.values()))

    if len(rest):
        tested = words.counted(len(rest), "comparison")
        crossed = rest[rest["verdict"] == "resistant"]
        scale = f"resistance index, {ci} in brackets"
        text = f"Shown in {len(crossed)} of {tested} with other drugs ({scale})."
        text = text if len(crossed) else f"None shown in {tested} with other drugs."
        yield point("Cross-resistance", text, crossed)
    sensitive = table[table["verdict"] == "sensitive"]
    compared = words.counted(len(table), "comparison")
    text = f"Shown in {len(sensitive)} of {compared}: the drug acts more strongly on the resistant line."
    if sensitive.empty:
        text = f"None shown in {compared}."
    yield point("Collateral sensitivity", text, sensitive)
    alike = table[table["verdict"] == "alike"]
    if len(alike):
        text = "Resistant line and parent were not told apart, which is no proof that they are alike: see the interval."
        yield point("No difference shown", text, alike)
    untold = table[table["verdict"] == "untold"]
    if len(untold):
        items = tuple(
            f"{r['model']}, {_drug(r)}: {words.plain(words.status(r['status'], r.get('reason', '')))}"
            for _, r in untold.iterrows()
        )
        text = f"{len(untold)} of {compared}."
        yield Point("Could not be told", text, items, target)


def _interventions(record: RunRecord) -> Iterable[Point]:
    """Entities that changed the response when interfered with: how many of the tests of each say so; genes first.
    Reporters and expression under a drug are interventions too, on something else than the response."""
    e = record.evidence
    tested = e[
        (e["level"] == "intervention")
        & (e["entity_type"] != "drug")
        & ~e["stream"].isin(["reporter", "reversal"])
        & ~e["effect_unit"].str.startswith(AMOUNT)
        & e["status"].isin(["estimated", "censored"])
    ]
    items: list[tuple[bool, float, str]] = []
    for entity, rows in tested.groupby("entity", sort=True):
        q = rows["q_value"].fillna(rows["p_value"])
        clear = rows[(rows["direction"] != 0) & ((q <= ALPHA) | (rows["status"] == "censored"))]
        for direction, what in ((1, "promotes resistance"), (-1, "restores sensitivity")):
            agree = clear[clear["direction"] == direction]
            if len(agree):
                least = float(q[agree.index].min())
                said = f"{len(agree)} of {words.counted(len(rows), 'test')}"
                said += f", smallest q {words.p_value(least)}" if least == least else ""
                gene = bool((agree["entity_type"] == "gene").any())
                items.append((not gene, least if least == least else 1.0, f"{entity} {what}: {said}"))
    if items:
        one = words.section(str(tested["stream"].iloc[0]))
        text = "What changed the response when it was knocked down, over-expressed, inhibited or combined."
        yield Point("Interventions", text, tuple(t for _, _, t in sorted(items)), f"stream-{one}")


def _trouble(record: RunRecord) -> Iterable[Point]:
    failed = [s for s in record.steps if s.state == "failed"]
    if failed:
        blocked = sum(s.state == "blocked" for s in record.steps)
        text = f"{words.counted(len(failed), 'step')} failed" + (
            f" and {blocked} could not run for it." if blocked else "."
        )
        yield Point("Failures", text, tuple(f"{s.title}: {s.reason}" for s in failed), "not-done")


def _next(record: RunRecord) -> Iterable[Point]:
    table = record.tables.get("next_experiment")
    if table is not None and len(table) and {"summary", "controls"} <= set(table.columns):
        first = table.iloc[0]
        yield Point(
            "Next experiment", str(first["summary"]), (f"Controls: {first['controls']}.",), "table-next_experiment"
        )


_POINTS: tuple[Callable[[RunRecord], Iterable[Point]], ...] = (_others, _interventions, _next, _trouble)
