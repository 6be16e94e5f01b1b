"""Where knowledge tables live on this machine, and where they are fetched from.

`RECHALLENGE_DATA`     folder of installed tables; by default the user's cache folder of this platform
`RECHALLENGE_MIRROR`   folder or http(s) address that replaces the official addresses: files are sought there as
                       `NAME/FILE` and, in a folder, also as plain `FILE`
"""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Folder of installed tables (it need not exist yet)."""
    chosen = os.environ.get("RECHALLENGE_DATA", "").strip()
    if chosen:
        return Path(chosen).expanduser() / "knowledge"
    import pooch

    return Path(pooch.os_cache("rechallenge")) / "knowledge"


def folder_of(name: str) -> Path:
    """Folder of one resource."""
    return data_folder() / name


def mirror() -> str:
    """The mirror, without a trailing slash; empty where none is set."""
    return os.environ.get("RECHALLENGE_MIRROR", "").strip().rstrip("/")


def is_web(address: str) -> bool:
    """Whether an address is http or https."""
    return address.lower().startswith(("http://", "https://"))
