"""The key of a result: everything it depends on, as one digest.

The form of the store, the step and the source of its module with all that it imports, its options, the digests of the
stored bytes of its input tables, and the versions of Python and of the libraries; for a step that looks things up in
knowledge tables also the digests of those that are installed. Frames in memory never enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rechallenge import sources
from rechallenge.analysis import Analysis
from rechallenge.store import FORMAT, canonical, sha256

#: code beside a step's own that shapes what is stored of it
_BESIDE = {"figure": ("rechallenge.report.theme",), "claims": ("rechallenge.evidence",), "analysis": ()}


def key_of(step: Analysis, inputs: Mapping[str, str], options: Mapping[str, Any], *, part: bool = False) -> str:
    """Key of a step, or of one part of a split step, from its input tables' digests (by parameter) and its options."""
    return sha256(
        canonical(
            {
                "format": FORMAT,
                "step": step.name,
                "kind": step.kind,
                "part": part,
                "source": sources.digest(*modules_of(step)),
                "options": dict(options),
                "inputs": dict(inputs),
                "versions": dict(sources.versions()),
                **_knowledge(step),
            }
        )
    )


def _knowledge(step: Analysis) -> dict[str, Any]:
    """Digests of the installed knowledge tables, where the step's source leads to them."""
    if "rechallenge.knowledge.installing" not in sources.imported(*modules_of(step)):
        return {}
    from rechallenge import knowledge

    return {"knowledge": {name: record.get("sha256", "") for name, record in sorted(knowledge.installed().items())}}


def modules_of(step: Analysis) -> tuple[str, ...]:
    """The modules whose source decides what a step makes."""
    return (step.module, *_BESIDE[step.kind])
