"""RO-Crate metadata of a results folder (JSON-LD): what was read, what was made, by which software, when.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5; S. Leo et al., PLoS ONE 19, e0309210, 2024, doi:10.1371/journal.pone.0309210).
Inputs lie outside the crate and are named by their digest (RFC 6920), so that no path of any machine is written.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from rechallenge import __version__
from rechallenge.record import RunRecord
from rechallenge.runfile import RUN_FILE

FILE = "ro-crate-metadata.json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_FORMATS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".toml": "application/toml",
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".parquet": "application/vnd.apache.parquet",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xls": "application/vnd.ms-excel",
}


def metadata(record: RunRecord, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON-LD document for a run and its outputs (path -> at least `sha256` and `bytes`)."""
    made = [_file(path, known) for path, known in outputs.items()]
    made.append({"@id": RUN_FILE, "@type": "File", "name": RUN_FILE, "encodingFormat": _FORMATS[".json"]})
    read = _inputs(record)
    authors = [
        {"@id": f"#author-{i}", "@type": "Person", "name": name} for i, name in enumerate(record.study.authors, start=1)
    ]
    libraries = [
        {"@id": f"#{name}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in record.versions.items()
        if name != "rechallenge" and version != "absent"
    ]
    software = {
        "@id": "#rechallenge",
        "@type": "SoftwareApplication",
        "name": "rechallenge",
        "softwareVersion": __version__,
        "softwareRequirements": _refs(libraries),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": record.study.title,
        "description": record.study.description or f"Results of the drug-resistance study “{record.study.title}”.",
        "datePublished": record.started[:10],
        "conformsTo": {"@id": "https://w3id.org/ro/wfrun/process/0.5"},
        "hasPart": _refs([*made, *read]),
        "mentions": {"@id": "#run"},
        **({"author": _refs(authors)} if authors else {}),
    }
    descriptor = {
        "@id": FILE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }
    profile = {
        "@id": "https://w3id.org/ro/wfrun/process/0.5",
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": "0.5",
    }
    return {
        "@context": _CONTEXT,
        "@graph": [
            descriptor,
            root,
            profile,
            *authors,
            software,
            *libraries,
            _action(record, made, read, authors),
            *read,
            *made,
        ],
    }


def _action(
    record: RunRecord, made: list[dict[str, Any]], read: list[dict[str, Any]], authors: list[dict[str, Any]]
) -> dict[str, Any]:
    failed = [s.name for s in record.failed]
    started = datetime.fromisoformat(record.started)
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"rechallenge run: {record.study.title}",
        "instrument": {"@id": "#rechallenge"},
        "startTime": started.isoformat(),
        "endTime": (started + timedelta(seconds=round(record.seconds, 3))).isoformat(),
        "object": _refs(read),
        "result": _refs(made),
        "actionStatus": {"@id": f"http://schema.org/{'Failed' if failed else 'Completed'}ActionStatus"},
        **({"error": f"These analyses failed or were blocked: {', '.join(failed)}."} if failed else {}),
        **({"agent": _refs(authors)} if authors else {}),
    }


def _file(path: str, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@id": path,
        "@type": "File",
        "name": PurePosixPath(path).name,
        "encodingFormat": _FORMATS.get(PurePosixPath(path).suffix, "application/octet-stream"),
        "contentSize": str(known["bytes"]),
        "sha256": known["sha256"],
    }


def _inputs(record: RunRecord) -> list[dict[str, Any]]:
    """One entity per content; files of equal content share it."""
    found: dict[str, dict[str, Any]] = {}
    for i in record.inputs:
        suffix = PurePosixPath(i.path).suffix.lower()
        entity = found.setdefault(
            i.sha256,
            {
                "@id": name_of(i.sha256),
                "@type": "File",
                "name": i.path,
                "description": f"input table: {i.kind}" if i.kind != "study" else "description of the study",
                "encodingFormat": _FORMATS.get(suffix, "application/octet-stream"),
                "contentSize": str(i.bytes),
                "sha256": i.sha256,
            },
        )
        if i.path != entity["name"]:
            also = entity.setdefault("alternateName", [])
            if i.path not in also:
                also.append(i.path)
    return list(found.values())


def name_of(digest: str) -> str:
    """The RFC 6920 name of a SHA-256 digest given in hexadecimal."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")


def _refs(entities: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": e["@id"]} for e in entities]
