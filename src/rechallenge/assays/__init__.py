"""Bench pharmacology and other assays: one file (or folder) each."""
