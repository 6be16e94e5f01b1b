"""Tracing: which share of a metabolite carries the label, and by which route it came.

Raw areas of mass isotopologues are corrected for natural abundance, for what the tracer's label lacks in purity and for
derivative atoms (`correction`); their fractions, mean enrichment and labelled pool follow (`fractions`). Groups are
compared on isotopologues named beforehand for each tracer (`routes`) and on whole distributions (`contrasts`).
"""
