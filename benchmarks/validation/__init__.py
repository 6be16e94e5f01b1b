"""Oracles, nulls and coverage in one set of tables: `docs/reference/validation.md`.

    make validation                                     both sets, written to the page
    python -m benchmarks.validation                     the same
    python -m benchmarks.validation --quick             what any machine can compute, printed and compared with the page

The quick set simulates, or holds published numbers, and needs no file. The full set needs the reference data folder
beside the checkout, which is not distributed; without it the recorded rows stay, marked with the version that gave
them. Seeds are fixed.
"""

from __future__ import annotations

from benchmarks.validation.page import main

__all__ = ["main"]
