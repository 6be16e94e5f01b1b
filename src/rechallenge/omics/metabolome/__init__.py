"""Metabolome: which metabolites differ between resistant and parental cells, and in which pathways.

Peak areas with a sheet of samples (`contract`) are checked on pooled and blank samples and normalised (`quality`),
compared by moderated t tests (`differential`), named (`names`) and tested by pathway on the measured universe
(`enrichment`). `findings` and `figures` turn the results into evidence and drawings.
"""
