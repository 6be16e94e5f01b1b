"""The same PDF bytes for the same figure."""

from __future__ import annotations

import re
from typing import Any


def stable_pdf(pdf: bytes) -> bytes:
    """The same document with its objects in a fixed order.

    The writer numbers objects and lists resources in the order of a hash table, which differs from run to run.
    Here resources are sorted by name and objects renumbered in the order in which the document refers to them.
    """
    start = int(pdf[pdf.rindex(b"startxref") :].split()[1])
    table, trailer = pdf[start:].split(b"trailer", 1)
    entries = [line.split() for line in table.splitlines()[2:] if line.strip()]
    offsets = sorted(int(e[0]) for e in entries if e[2:] == [b"n"])
    bodies: dict[int, bytes] = {}
    for begin, end in zip(offsets, [*offsets[1:], start], strict=True):
        number, _, body = pdf[begin:end].partition(b" 0 obj")
        bodies[int(number)] = _sorted_resources(body)
    numbers: dict[int, int] = {}

    def visit(text: bytes) -> None:
        for found in re.findall(rb"(?<!\d)(\d+) 0 R\b", text):
            if int(found) not in numbers:
                numbers[int(found)] = len(numbers) + 1
                visit(bodies[int(found)].partition(b"\nstream\n")[0])

    def renamed(text: bytes) -> bytes:
        return re.sub(rb"(?<!\d)(\d+) 0 R\b", lambda m: b"%d 0 R" % numbers[int(m[1])], text)

    trailer = trailer[: trailer.index(b"startxref")]
    visit(trailer)
    parts, places, length = [pdf[: offsets[0]]], [], offsets[0]
    for old, new in numbers.items():
        head, mark, stream = bodies[old].partition(b"\nstream\n")
        places.append(length)
        parts.append(b"%d 0 obj" % new + renamed(head) + mark + stream)
        length += len(parts[-1])
    rows = b"".join(b"%010d 00000 n \n" % p for p in places)
    trailer = re.sub(rb"/Size \d+", b"/Size %d" % (len(places) + 1), renamed(trailer))
    xref = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + rows + b"trailer" + trailer
    return b"".join(parts) + xref + b"startxref\n%d\n%%%%EOF\n" % length


def _by_name(line: Any) -> tuple[int, bytes]:
    """Names of one kind differ in their number: fo2 comes before fo10."""
    return line.index(b" ", line.index(b"/")), line


def _sorted_resources(body: bytes) -> bytes:
    head, mark, stream = body.partition(b"\nstream\n")
    runs = re.compile(rb"(?:^ *\/\w+ \d+ 0 R\n)+", re.M)

    def order(run: re.Match[bytes]) -> bytes:
        return b"".join(sorted(run[0].splitlines(keepends=True), key=_by_name))

    return runs.sub(order, head) + mark + stream
