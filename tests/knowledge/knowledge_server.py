"""A web server on this machine that can answer ranges, break off, lie and refuse: for tests of fetching."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What the server holds and did. `break_after`: path -> how many bytes of the next answers are sent, one each."""

    files: dict[str, bytes] = field(default_factory=dict)
    listings: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    marks: bool = True
    chunked: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def requests_for(self, path: str) -> list[str]:
        """The Range headers with which a path was asked ('' = the whole file)."""
        return [r for p, r in self.asked if p == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        site, path = self.site, self.path.partition("?")[0]
        wanted = self.headers.get("Range", "")
        site.asked.append((path, wanted))
        if path in site.status:
            self._send(site.status[path], b"no", {})
            return
        if path in site.listings:
            self._send(200, site.listings[path].encode(), {"Content-Type": "text/html"})
            return
        if path not in site.files:
            self._send(404, b"not here", {})
            return
        data = site.files[path]
        mark = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": mark} if site.marks else {}
        if wanted and site.ranges and self.headers.get("If-Range") == mark:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206, data[start:], headers)
            return
        self._send(200, data, headers)

    def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response(code)
        self.send_header("Connection", "close")
        for key, value in headers.items():
            self.send_header(key, value)
        path = self.path.partition("?")[0]
        cuts = self.site.break_after.get(path, [])
        sent = data[: cuts.pop(0)] if cuts else data
        if path in self.site.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            if sent == data:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(sent)


@contextmanager
def serving() -> Iterator[Site]:
    """A running server and its site."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
