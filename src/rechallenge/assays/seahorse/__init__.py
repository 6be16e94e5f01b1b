"""Seahorse: oxygen consumption and acidification under mitochondrial and glycolytic stress.

Wave workbooks (sheet Rate) or tidy tables are read (`wave`, `contract`), injections say which phase a measurement
belongs to (`injections`), every well gives parameters, wells give plate means, and plates are the replicates
(`parameters`). Groups are compared across plates (`comparisons`).
"""
