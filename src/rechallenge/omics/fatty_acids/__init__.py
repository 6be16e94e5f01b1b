"""Fatty acids and lipids: chain length, unsaturation, desaturation and elongation, classes.

Names of species are understood (`species`), indices follow for every sample (`indices`), and groups are compared on the
indices and on the species (`comparisons`); `findings` turns them into evidence and drawings.
"""
