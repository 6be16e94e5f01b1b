"""The methods text of a run: what was done, with which settings, software and references, and what was not done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rechallenge import hidden
from rechallenge.record import RunRecord, StepRecord
from rechallenge.report import words

_SIGN = r"""[^\s,;()\[\]{}<>"']"""
_DOI = rf"10\.\d{{4,9}}/(?:{_SIGN}|\([^\s()]*\))*(?:(?!\.){_SIGN}|\([^\s()]*\))"
_CITED = re.compile(rf"\s*\((?:doi:\s*{_DOI}(?:\s*[,;]\s*(?:and\s+)?)?)+\)", re.IGNORECASE)
_BARE = re.compile(rf"\bdoi:\s*({_DOI})", re.IGNORECASE)


@dataclass(frozen=True)
class Methods:
    """The parts of the methods text. Citations in paragraphs are numbers in square brackets into `references`."""

    paragraphs: tuple[str, ...]
    options: tuple[str, ...]
    versions: tuple[str, ...]
    references: tuple[str, ...]
    not_done: tuple[str, ...]


def methods(record: RunRecord) -> Methods:
    """Collect the methods of a run; the same record gives the same text."""
    references: dict[str, int] = {}
    by_stream: dict[str, list[str]] = {}
    for step in record.steps:
        if step.state in ("done", "cached") and step.kind == "analysis":
            sentence = _cited(step, references)
            known = by_stream.setdefault(step.stream, [])
            if sentence and sentence not in known:
                known.append(sentence)
    paragraphs = [_data(record), *(" ".join(sentences) for sentences in by_stream.values() if sentences)]
    return Methods(
        paragraphs=tuple(p for p in paragraphs if p),
        options=tuple(_options(record)),
        versions=tuple(f"{name} {version}" for name, version in sorted(record.versions.items(), key=_by_name)),
        references=tuple(references),
        not_done=tuple(_not_done(record)),
    )


def render(record: RunRecord) -> str:
    """The methods text as Markdown."""
    m = methods(record)
    lines = ["# Methods", "", f"Study: {_escaped(record.study.title)}", ""]
    for paragraph in m.paragraphs:
        lines += [_escaped(paragraph), ""]
    if m.options:
        lines += ["Settings that differ from the defaults, and seeds:", ""]
        lines += [*(f"- {_escaped(o)}" for o in m.options), ""]
    if m.versions:
        lines += ["## Software", "", _escaped(f"{', '.join(m.versions)}."), ""]
    if m.not_done:
        lines += ["## What was not done", "", *(f"- {_escaped(n)}" for n in m.not_done), ""]
    if m.references:
        lines += ["## References", "", *(f"{i}. {reference_text(r)}" for i, r in enumerate(m.references, start=1)), ""]
    return "\n".join(lines)


def doi_of(reference: str) -> str:
    """The bare DOI within a reference, or the empty string."""
    found = re.search(_DOI, reference)
    return found[0] if found else ""


def reference_text(reference: str) -> str:
    """A reference with its DOI as an address: `doi:10.1/x` becomes `https://doi.org/10.1/x`."""
    doi = doi_of(reference)
    if not doi:
        return reference
    return re.sub(
        rf"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?{re.escape(doi)}", f"https://doi.org/{doi}", reference, count=1
    )


def _number(reference: str, references: dict[str, int]) -> int:
    """The number of a reference; one DOI has one number however it is written."""
    reference = reference.strip()
    doi = doi_of(reference).lower()
    for known, number in references.items():
        if known == reference or (doi and doi_of(known).lower() == doi):
            return number
    references[reference] = len(references) + 1
    return references[reference]


def _cited(step: StepRecord, references: dict[str, int]) -> str:
    """The step's sentence with DOIs in brackets turned into numbers, and the step's other references at its end."""
    sentence = words.plain(" ".join(step.methods.split()))
    if not sentence:
        return ""
    used: set[int] = set()

    def numbers(found: re.Match[str]) -> str:
        cited = [_number(f"doi:{d}", references) for d in _BARE.findall(found[0])]
        used.update(cited)
        return f" [{', '.join(str(n) for n in cited)}]"

    sentence = _BARE.sub(numbers, _CITED.sub(numbers, sentence))
    sentence = sentence.replace("  [", " [").replace("( [", "([")
    others = sorted({_number(r, references) for r in step.reference} - used)
    if others:
        sentence, stop = (sentence[:-1], ".") if sentence.endswith(".") else (sentence, "")
        earlier = re.search(r" \[([\d, ]+)\]$", sentence)
        sentence = sentence[: earlier.start()] if earlier else sentence
        numbered = [int(n) for n in earlier[1].split(",")] if earlier else []
        sentence += f" [{', '.join(str(n) for n in sorted({*numbered, *others}))}]{stop}"
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _data(record: RunRecord) -> str:
    read = [f"{words.counted(n, 'row')} of {kind}" for kind, n in record.rows_read.items()]
    if not read:
        return ""
    text = f"The study's tables were read: {words.listed(read)}."
    left_out = len(record.excluded)
    if left_out:
        rows = words.counted(left_out, "row or cell was", "rows or cells were")
        text += f" On reading, {rows} left out; each is listed in the report with its reason."
    else:
        text += " Nothing was left out on reading."
    return text + " The biological replicate is the unit of every test and interval."


def _options(record: RunRecord) -> Iterable[str]:
    """`Dose-response curves: level 0.4 (default 0.5)`, per step, for what differs from the default; seeds always."""
    defaults = _defaults(record)
    for step in record.steps:
        if step.state not in ("done", "cached") or not step.options:
            continue
        known = defaults.get(step.name)
        said = []
        for name, value in sorted(step.options.items()):
            seed = name == "seed" or name.endswith("_seed")
            if known is None or name not in known or seed:
                said.append(f"{name} {_shown(value)}")
            elif known[name] != value:
                said.append(f"{name} {_shown(value)} (default {_shown(known[name])})")
        if said:
            yield f"{step.title}: {', '.join(said)}"
    if record.study.seed:
        yield f"Seed of the study: {record.study.seed}"


def _defaults(record: RunRecord) -> Mapping[str, Mapping[str, Any]]:
    """Options as the analyses declare them, for the steps of this run that are known here."""
    from rechallenge.analysis import discover

    steps = discover().steps
    return {s.name: steps[s.name].options for s in record.steps if s.name in steps}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(v) for v in value) or "none"
    if isinstance(value, float):
        return words.plain(f"{value:.12g}")
    return "none" if value is None else str(value)


def undone(record: RunRecord) -> list[StepRecord]:
    """Steps that did not run, once each: analyses, and whatever failed.

    Figures and claims of an analysis that had nothing to work on have nothing of their own to say.
    """
    kept: dict[tuple[str, str, str], StepRecord] = {}
    for step in record.steps:
        if step.state == "failed" or (step.state in ("blocked", "skipped") and step.kind == "analysis"):
            kept.setdefault((step.title, step.state, step.reason), step)
    return list(kept.values())


def _not_done(record: RunRecord) -> Iterable[str]:
    for step in undone(record):
        reason = words.plain(_one_line(step.reason).rstrip("."))
        yield f"{step.title}: {words.STATE_WORDS[step.state]}" + (f" ({reason})" if reason else "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _by_name(item: tuple[str, str]) -> tuple[int, str]:
    """The project and Python first, then by name."""
    first = {"rechallenge": 0, "python": 1}
    return first.get(item[0].lower(), 2), item[0].lower()


def _escaped(text: str) -> str:
    """Names of a study are text: nothing in them becomes Markdown or HTML."""
    return re.sub(r"([\\`*_<>#|])", r"\\\1", hidden.without(_one_line(text)))
