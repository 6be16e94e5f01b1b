"""Claims of what moves the amount of a gene's product, in the same words for every assay."""

from __future__ import annotations

from typing import Any

from rechallenge.designs.labels import added, done
from rechallenge.evidence import AMOUNT


def moved_claim(
    row: Any, gene: str, *, effect: float, sure: bool, stream: str, analysis: str, unit: str, named: str, told: str
) -> dict[str, Any] | None:
    """The claim of one comparison (a row of `designs.contrasts`) of a group that got one thing more than its control;
    None where it got something else, or where the gene itself was changed.

    `sure` says whether a change is shown, `unit` what the effect is in, `named` what was measured, `told` the end of
    the sentence. The direction is 0, since an amount says nothing of the response.
    """
    given = added(row.group, row.control)
    if not given or done(given).gene == gene:
        return None
    word = ("rises" if effect > 0 else "falls") if sure and effect == effect else "no change shown"
    return {
        "entity": gene, "entity_type": "gene", "stream": stream, "level": "intervention",
        **{c: getattr(row, c) for c in ("model", "se", "ci_low", "ci_high", "n", "statistic", "p_value", "q_value")},
        "status": row.status, "source_rows": row.source_rows, "contrast": f"{row.group} vs {row.control}",
        "direction": 0, "effect": effect, "effect_unit": f"{AMOUNT} {unit}", "analysis": analysis,
        "source_table": row.source_table,
        "claim": f"{named}: {word} with {row.group} against {row.control} in {row.model}{told}.",
    }  # fmt: skip
