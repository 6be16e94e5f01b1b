"""How much memory a worker has used at most, and how much it may use."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rechallenge.faults import RechallengeError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_memory(text: str | int) -> int:
    """Bytes in `"2GB"`, `"800 MB"` or a whole number. Raises RechallengeError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", str(text).upper())
    if found is None or not float(found[1]) > 0:
        raise RechallengeError(f"{text!r} is no amount of memory. Write it as 2GB or 800MB.")
    return int(float(found[1]) * _UNITS[found[2]])


def peak_memory() -> int:
    """Largest resident memory of this process so far in bytes; 0 where the system does not tell.

    On Linux `ru_maxrss` of a spawned process holds its parent's memory too, so the kernel's own mark is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
