"""Genome-wide and metabolic read-outs: one file (or folder) each."""
