"""Downloading one file: resumed where it broke off, through the usual proxies, checked, and named in plain sentences.

`Resuming` is a downloader for pooch. pooch owns the final file (temporary name, checksum, one atomic move); this class
keeps what has arrived in a `.part` file beside it, so that the next attempt asks only for the rest (HTTP Range, with
If-Range so that a file changed meanwhile starts over). Proxies and certificates come from the environment
(HTTP_PROXY, HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE) as the requests library reads them.
"""

from __future__ import annotations

import errno
import hashlib
import html.parser
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from rechallenge.knowledge.errors import ChecksumError, DownloadError, FormatError

#: called with the file's name, bytes so far, bytes in all (0 where unknown)
Progress = Callable[[str, int, int], None]

CHUNK = 1 << 18
#: seconds to connect, and seconds without a byte
TIMEOUT = (20.0, 60.0)
#: how often a broken transfer is taken up again within one call, and the pause before it in seconds
ATTEMPTS = 3
PAUSE = 1.0
_AGENT = "rechallenge (knowledge tables for drug-resistance studies)"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def looks_like_html(start: bytes) -> bool:
    """Whether these first bytes are a web page rather than data."""
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def refuse_html(path: Path, address: str) -> None:
    """FormatError where the file is a web page (a login, a notice) instead of data."""
    with path.open("rb") as stream:
        start = stream.read(1024)
    if looks_like_html(start):
        raise FormatError(
            f"{address} answered with a web page instead of data, perhaps a login or a notice. Open it in a browser, "
            "save the data file, and add it with: rechallenge knowledge add NAME FILE"
        )


def check_sha256(path: Path, expected: str, address: str, basis: str) -> str:
    """The file's SHA-256; ChecksumError where `expected` is given and differs. `basis` says where it comes from."""
    got = sha256_of(path)
    if expected and got != expected:
        raise ChecksumError(
            f"{address} is not the file that was expected: SHA-256 is {got}, expected {expected} ({basis}). Fetch it "
            "again in case the transfer was at fault; if the publisher changed the file on purpose, accept the new "
            "one with: rechallenge knowledge fetch --accept-changed NAME"
        )
    return got


class Resuming:
    """A downloader for pooch that keeps and resumes a partial file.

    `part` is the partial file. `expected` is the SHA-256 to demand ('' = none is known); a complete file that fails
    the check, or is a web page, is deleted. Raises DownloadError, ChecksumError or FormatError.
    """

    def __init__(self, part: Path, *, expected: str = "", basis: str = "", progress: Progress | None = None):
        self.part = part
        self.expected = expected
        self.basis = basis
        self.progress = progress
        self._state = part.with_name(part.name + ".json")

    def __call__(self, url: str, output_file: Any, pooch: Any = None, check_only: bool = False) -> None:
        with _as_sentences(url):
            self._complete(url)
            try:
                refuse_html(self.part, url)
                check_sha256(self.part, self.expected, url, self.basis)
            except (ChecksumError, FormatError):
                self.forget()
                raise
            shutil.move(self.part, output_file)
            self.forget()

    def forget(self) -> None:
        """Delete the partial file and what is known of it."""
        self.part.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def _complete(self, url: str) -> None:
        """Transfer until the file is whole; DownloadError after ATTEMPTS transfers that broke off."""
        got, total = 0, 0
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * attempt)
            got, total = self._transfer(url)
            if not total or got >= total:
                return
        raise DownloadError(
            f"The transfer of {url} broke off after {got:,} of {total:,} bytes. What has arrived is kept: run the same "
            "command again to go on from there."
        )

    def _transfer(self, url: str) -> tuple[int, int]:
        """One request: (bytes held now, bytes in all or 0 where the server does not say)."""
        import requests
        import urllib3

        have = self.part.stat().st_size if self.part.exists() else 0
        # transfers are asked for uncompressed: a Range counts bytes of what is sent
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        known = self._known(url)
        if have and known:
            headers |= {"Range": f"bytes={have}-", "If-Range": known}
        elif have:  # without a mark of its version, a partial file cannot be continued safely
            self.forget()
            have = 0
        with requests.Session() as session, session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:  # nothing after what we hold: whole already, or not the same file any more
                total = int(answer.headers.get("Content-Range", "*/0").rpartition("/")[2] or 0)
                if total == have:
                    return have, total
                self.forget()
                return 0, max(total, 1)
            answer.raise_for_status()
            resumed = answer.status_code == 206 and have > 0
            if not resumed:
                have = 0
            total = have + int(answer.headers.get("Content-Length") or 0)
            if total == have:
                total = 0
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self._remember(url, answer.headers)
            with self.part.open("ab" if resumed else "wb") as stream:
                try:
                    # read1 gives what has arrived; iter_content would lose a block that breaks off
                    while block := answer.raw.read1(CHUNK, decode_content=False):
                        stream.write(block)
                        have += len(block)
                        if self.progress:
                            self.progress(self.part.name.removesuffix(".part"), have, total)
                except urllib3.exceptions.HTTPError:
                    total = max(total, have + 1)  # broke off: the caller takes it up again
            return have, total

    def _known(self, url: str) -> str:
        """The version mark (ETag or date) of the partial file, if it is of this address."""
        try:
            state = json.loads(self._state.read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        return str(state.get("mark", "")) if state.get("url") == url else ""

    def _remember(self, url: str, headers: Any) -> None:
        mark = headers.get("ETag", "")
        if mark.startswith("W/"):  # a weak mark must not be used with If-Range (RFC 9110, 13.1.5)
            mark = ""
        mark = mark or headers.get("Last-Modified", "")
        self._state.write_text(json.dumps({"url": url, "mark": mark}), encoding="utf-8")


@contextmanager
def quiet_pooch() -> Iterator[None]:
    """Keep pooch from printing; what happens is said by the caller."""
    import pooch

    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def download(url: str, target: Path, *, expected: str = "", basis: str = "", progress: Progress | None = None) -> Path:
    """Bring `url` to `target` through pooch, resuming `target`.part where it exists; the file is checked and moved
    into place in one step. Raises DownloadError, ChecksumError, FormatError."""
    import pooch

    part = target.with_name(target.name + ".part")
    target.unlink(missing_ok=True)
    with quiet_pooch(), _as_sentences(url):
        pooch.retrieve(
            url,
            known_hash=f"sha256:{expected}" if expected else None,
            fname=target.name,
            path=target.parent,
            downloader=Resuming(part, expected=expected, basis=basis, progress=progress),
        )
    return target


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [v for k, v in attrs if k == "href" and v]


def listing(url: str, pattern: str) -> list[tuple[str, str]]:
    """(file name, address) of the files in a web folder whose name matches `pattern`, sorted by name.

    Raises DownloadError where the folder cannot be read or holds no such file.
    """
    import fnmatch

    import requests

    base = url if url.endswith("/") else url + "/"
    with (
        _as_sentences(base),
        requests.Session() as session,
        session.get(base, headers={"User-Agent": _AGENT}, timeout=TIMEOUT) as answer,
    ):
        answer.raise_for_status()
        text = answer.text
    links = _Links()
    links.feed(text)
    found = {}
    for link in links.found:
        whole = urljoin(base, link)
        name = unquote(urlsplit(whole).path.rpartition("/")[2])
        if whole.startswith(base) and re.fullmatch(r"[\w.+-]+", name) and fnmatch.fnmatch(name, pattern):
            found[name] = whole
    if not found:
        raise DownloadError(f"The folder {base} holds no file named {pattern}; its layout may have changed.")
    return sorted(found.items())


@contextmanager
def _as_sentences(url: str) -> Iterator[None]:
    """Turn what a transfer can raise into DownloadError with what to do."""
    import requests

    other_ways = (
        "Check the network and the proxy (HTTPS_PROXY), or set RECHALLENGE_MIRROR, or download the file elsewhere and "
        "run: rechallenge knowledge add NAME FILE"
    )
    host = urlsplit(url).netloc
    try:
        yield
    except requests.exceptions.HTTPError as e:
        code = e.response.status_code if e.response is not None else 0
        if code in (404, 410):
            text = f"There is no file at {url} any more (HTTP {code}): the publisher may have moved it. {other_ways}"
            raise DownloadError(text, not_found=True) from e
        if code in (401, 403):
            raise DownloadError(
                f"{host} refuses {url} (HTTP {code}): it may ask for a login or turn away programs. Download the file "
                "with a browser and run: rechallenge knowledge add NAME FILE"
            ) from e
        raise DownloadError(f"{host} answered with HTTP {code} for {url}. Try again later. {other_ways}") from e
    except requests.exceptions.ProxyError as e:
        raise DownloadError(f"The proxy could not be used for {host}. {other_ways}") from e
    except requests.exceptions.SSLError as e:
        raise DownloadError(
            f"The identity of {host} could not be verified ({e.__class__.__name__}). Behind a company proxy, point "
            "REQUESTS_CA_BUNDLE to its certificates."
        ) from e
    except requests.exceptions.Timeout as e:
        raise DownloadError(f"{host} did not answer in time. {other_ways}") from e
    except requests.exceptions.RequestException as e:
        raise DownloadError(f"No connection to {host}. {other_ways}") from e
    except OSError as e:
        raise disk_error(e) from e


def disk_error(e: OSError) -> DownloadError:
    """A sentence for a disk that is full or a folder that cannot be written."""
    if e.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return DownloadError(
            "The disk is full. Free some space, or set RECHALLENGE_DATA to a folder on another disk, and run the same "
            "command again."
        )
    where = f" {e.filename}" if e.filename else ""
    return DownloadError(f"A file could not be written or read:{where} ({e.strerror or e}).")
