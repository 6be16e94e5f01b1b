"""Lab tables: what they must hold (`contract`) and how files become frames or faults (`reading`)."""

from rechallenge.faults import Fault, InputFaults
from rechallenge.tables.contract import ORIGIN, Column, Contract, place, source_rows

__all__ = ["ORIGIN", "Column", "Contract", "Fault", "InputFaults", "place", "source_rows"]
