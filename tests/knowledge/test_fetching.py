"""Fetching from a server on this machine: whole, resumed, broken, changed, refused, mirrored, offline."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import knowledge_samples as samples
import pytest
from knowledge_server import Site, serving

from rechallenge import knowledge
from rechallenge.knowledge import catalogue, downloading, fetching, installing, places
from rechallenge.knowledge.catalogue import Resource
from rechallenge.knowledge.errors import ChecksumError, DownloadError, FormatError, KnowledgeError, NotInstalled

HGNC = samples.SAMPLES["hgnc"][0][1]
FILE = "/d/hgnc_complete_set.txt"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables of a test live in its own folder; no proxy, no mirror, no waiting between attempts."""
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RECHALLENGE_MIRROR", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    return tmp_path / "data" / "knowledge"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


Publish = Callable[..., Resource]


@pytest.fixture
def publish(site: Site, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Put the sample of a resource on the server and let the catalogue point there."""

    def make(name: str, *, sha256: str = "", **changes: Any) -> Resource:
        one = catalogue.get(name)
        sources = []
        for source, (file, data) in zip(one.sources, samples.SAMPLES[name], strict=True):
            if source.listing:
                folder = f"/d/{name}/"
                site.files[folder + file] = data
                site.listings[folder] = f'<a href="../">up</a><a href="{file}">{file}</a><a href="_SUCCESS">x</a>'
                sources.append(dataclasses.replace(source, address=site.url + folder))
            else:
                site.files[f"/d/{source.file}"] = data
                address = f"{site.url}/d/{source.file}"
                basis = "the catalogue" if sha256 else ""
                sources.append(dataclasses.replace(source, address=address, sha256=sha256, sha256_from=basis, also=()))
        changed = dataclasses.replace(one, sources=tuple(sources), **changes)
        whole = {**catalogue.catalogue(), name: changed}
        monkeypatch.setattr(catalogue, "catalogue", lambda: whole)
        monkeypatch.setattr(installing, "catalogue", lambda: whole)
        return changed

    return make


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_table_is_fetched_parsed_and_stored_with_its_origin(publish: Publish, site: Site, name: str) -> None:
    publish(name)
    said: list[str] = []
    record = knowledge.fetch(name, say=said.append)
    one = catalogue.get(name)
    assert said == [f"{one.title}: {one.permission()}"], "the licence is said before the download"
    frame = knowledge.table(name)
    assert tuple(frame.columns) == one.column_names
    assert frame.attrs["provenance"] == record
    assert record["rows"] == len(frame) > 0
    assert record["licence"] == one.licence
    for file, (_, data) in zip(record["files"], samples.SAMPLES[name], strict=True):
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["address"].startswith(site.url)
    assert knowledge.installed()[name] == record
    assert knowledge.versions([name])[name]["sha256"] == record["sha256"]


def test_lists_come_back_as_lists(publish: Publish) -> None:
    publish("hgnc")
    knowledge.fetch("hgnc")
    assert knowledge.table("hgnc").loc[0, "alias_symbols"] == ["AR", "ALR2"]


def test_what_is_installed_is_not_asked_for_again_and_works_offline(publish: Publish, site: Site) -> None:
    publish("hgnc")
    first = knowledge.fetch("hgnc")
    site.files.clear()
    assert knowledge.fetch("hgnc") == first
    assert len(site.asked) == 1
    assert len(knowledge.table("hgnc")) == 2
    with pytest.raises(DownloadError):
        knowledge.fetch("hgnc", again=True)
    assert len(knowledge.table("hgnc")) == 2, "a failed renewal leaves what was there"


def test_a_transfer_that_breaks_off_is_taken_up_within_one_call(publish: Publish, site: Site) -> None:
    publish("hgnc")
    site.break_after[FILE] = [100, 50]
    assert knowledge.fetch("hgnc")["rows"] == 2
    assert site.requests_for(FILE) == ["", "bytes=100-", "bytes=150-"]


def test_an_interrupted_download_is_resumed_by_the_next_call(publish: Publish, site: Site, place: Path) -> None:
    publish("hgnc")
    site.break_after[FILE] = [100, 10, 10]
    with pytest.raises(DownloadError, match=r"broke off after 120 of \d+ bytes.*run the same command again"):
        knowledge.fetch("hgnc")
    part = place / "hgnc" / "incoming" / "hgnc_complete_set.txt.part"
    assert part.read_bytes() == HGNC[:120]
    assert knowledge.fetch("hgnc")["rows"] == 2
    assert site.requests_for(FILE)[-1] == "bytes=120-"
    assert not (place / "hgnc" / "incoming").exists()


def test_a_file_that_changed_meanwhile_starts_over(publish: Publish, site: Site) -> None:
    publish("hgnc")
    site.break_after[FILE] = [100, 0, 0]
    with pytest.raises(DownloadError):
        knowledge.fetch("hgnc")
    site.files[FILE] = HGNC.replace(b"androgen receptor", b"renamed")
    knowledge.fetch("hgnc")
    assert knowledge.table("hgnc")["name"].tolist()[1] == "renamed"


@pytest.mark.parametrize("switch", ["ranges", "marks"])
def test_a_server_without_ranges_or_marks_still_serves(publish: Publish, site: Site, switch: str) -> None:
    publish("hgnc")
    setattr(site, switch, False)
    site.break_after[FILE] = [100]
    assert knowledge.fetch("hgnc")["rows"] == 2
    if switch == "marks":
        assert site.requests_for(FILE) == ["", ""], "without a mark of its version a part is not continued"


def test_a_download_that_always_breaks_off_is_said(publish: Publish, site: Site) -> None:
    publish("hgnc")
    site.break_after[FILE] = [10] * downloading.ATTEMPTS
    with pytest.raises(DownloadError, match="broke off"):
        knowledge.fetch("hgnc")
    with pytest.raises(NotInstalled):
        knowledge.table("hgnc")


def test_the_checksum_of_the_catalogue_is_demanded(publish: Publish, place: Path) -> None:
    publish("collectri", sha256="0" * 64)
    got = hashlib.sha256(samples.COLLECTRI).hexdigest()
    with pytest.raises(ChecksumError) as caught:
        knowledge.fetch("collectri")
    text = str(caught.value)
    assert got in text and "0" * 64 in text and "--accept-changed" in text
    assert not list(place.glob("collectri/incoming/*")), "the wrong file is not kept"
    record = knowledge.fetch("collectri", accept_changed=True)
    assert record["files"][0]["checked"] == "accepted although changed"


def test_the_right_checksum_passes(publish: Publish) -> None:
    publish("collectri", sha256=hashlib.sha256(samples.COLLECTRI).hexdigest())
    assert knowledge.fetch("collectri")["files"][0]["checked"] == "the catalogue"


def test_an_unknown_checksum_is_recorded_and_verified_afterwards(publish: Publish, site: Site) -> None:
    publish("drugcentral")
    path = "/d/drug.target.interaction.tsv.gz"
    record = knowledge.fetch("drugcentral")
    assert record["files"][0]["checked"] == fetching.FIRST
    assert installing.recorded("drugcentral")
    assert knowledge.fetch("drugcentral", again=True)["sha256"] == record["sha256"]
    site.files[path] = gzip.compress(gzip.decompress(samples.DRUGCENTRAL) + b"\n")
    assert knowledge.remove("drugcentral")
    with pytest.raises(ChecksumError, match="recorded at the first fetch"):
        knowledge.fetch("drugcentral")
    assert knowledge.fetch("drugcentral", accept_changed=True)["rows"] == record["rows"]


def test_an_address_that_always_gives_the_newest_may_change(publish: Publish, site: Site) -> None:
    publish("hgnc")
    knowledge.fetch("hgnc")
    site.files[FILE] = HGNC.replace(b"androgen receptor", b"renamed")
    record = knowledge.fetch("hgnc", again=True)
    assert record["version"].startswith("newest, 2")
    assert knowledge.table("hgnc").loc[1, "name"] == "renamed"


def test_a_changed_format_leaves_nothing_behind(publish: Publish, site: Site, place: Path) -> None:
    publish("hgnc")
    site.files[FILE] = HGNC.replace(b"entrez_id", b"ncbi_id")
    with pytest.raises(FormatError, match="entrez_id"):
        knowledge.fetch("hgnc")
    site.files[FILE] = HGNC
    assert knowledge.fetch("hgnc")["rows"] == 2, "the unusable file is not taken from the cache"


def test_a_truncated_archive_is_said_to_be_damaged(publish: Publish, site: Site) -> None:
    publish("drugcentral")
    site.files["/d/drug.target.interaction.tsv.gz"] = samples.DRUGCENTRAL[:-40]
    with pytest.raises(FormatError, match="too early or is damaged"):
        knowledge.fetch("drugcentral")
    assert not installing.recorded("drugcentral")


def test_a_login_page_is_recognised(publish: Publish, site: Site) -> None:
    publish("collectri", sha256=hashlib.sha256(samples.COLLECTRI).hexdigest())
    site.files["/d/CollecTRI_regulons.csv"] = b"<!DOCTYPE html><html>Log in to go on</html>"
    with pytest.raises(FormatError, match="web page instead of data, perhaps a login"):
        knowledge.fetch("collectri")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, "no file at .* any more"),
        (410, "no file at"),
        (403, "refuses .* login"),
        (401, "refuses"),
        (503, "HTTP 503"),
    ],
)
def test_refusals_are_sentences(publish: Publish, site: Site, code: int, words: str) -> None:
    publish("hgnc")
    site.status[FILE] = code
    with pytest.raises(DownloadError, match=words) as caught:
        knowledge.fetch("hgnc")
    assert "rechallenge knowledge add" in str(caught.value) or "later" in str(caught.value)
    assert caught.value.not_found == (code in (404, 410))


def test_another_address_is_tried_after_not_found(
    publish: Publish, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = publish("hgnc")
    source = dataclasses.replace(one.sources[0], address=f"{site.url}/gone", also=(f"{site.url}{FILE}",))
    whole = {**catalogue.catalogue(), "hgnc": dataclasses.replace(one, sources=(source,))}
    monkeypatch.setattr(catalogue, "catalogue", lambda: whole)
    assert knowledge.fetch("hgnc")["files"][0]["address"] == f"{site.url}{FILE}"


def test_no_server_is_said_with_what_to_do(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    one = publish("hgnc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    whole = {**catalogue.catalogue(), "hgnc": dataclasses.replace(
        one, sources=(dataclasses.replace(one.sources[0], address=address),))}  # fmt: skip
    monkeypatch.setattr(catalogue, "catalogue", lambda: whole)
    with pytest.raises(DownloadError, match=r"No connection to 127.0.0.1.*HTTPS_PROXY.*RECHALLENGE_MIRROR"):
        knowledge.fetch("hgnc")


def test_the_proxy_of_the_environment_is_used(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish("hgnc")
    with serving() as proxy:
        proxy.files["http://data.invalid/hgnc.txt"] = HGNC
        one = catalogue.get("hgnc")
        source = dataclasses.replace(one.sources[0], address="http://data.invalid/hgnc.txt")
        whole = {**catalogue.catalogue(), "hgnc": dataclasses.replace(one, sources=(source,))}
        monkeypatch.setattr(catalogue, "catalogue", lambda: whole)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert knowledge.fetch("hgnc")["rows"] == 2
        assert proxy.asked == [("http://data.invalid/hgnc.txt", "")]


def test_a_full_disk_is_said(publish: Publish, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    publish("hgnc")

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DownloadError, match=r"disk is full.*RECHALLENGE_DATA"):
        knowledge.fetch("hgnc")
    assert installing.provenance("hgnc") is None


def test_a_full_disk_during_the_transfer_is_said(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish("hgnc")
    before = Path.open

    class Full:
        def __init__(self, stream: Any):
            self.stream = stream

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *exc: object) -> None:
            self.stream.close()

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        stream = before(self, mode, *args, **kwargs)
        return Full(stream) if self.suffix == ".part" and mode in ("ab", "wb") else stream

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(DownloadError, match="disk is full"):
        knowledge.fetch("hgnc")


def test_a_mirror_folder_replaces_the_network(
    publish: Publish, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    for name in ("hgnc", "open_targets_drugs"):
        publish(name)
        samples.write(mirror / name, name)
    samples.write(mirror, "collectri")
    publish("collectri")
    monkeypatch.setenv("RECHALLENGE_MIRROR", str(mirror))
    for name in ("hgnc", "open_targets_drugs", "collectri"):
        record = knowledge.fetch(name)
        assert record["files"][0]["address"].startswith(str(mirror))
    assert site.asked == []
    publish("civic")
    with pytest.raises(DownloadError, match=r"has no civic/ClinicalEvidenceSummaries.tsv.*unset"):
        knowledge.fetch("civic")


def test_a_mirror_address_replaces_the_official_one(
    publish: Publish, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hgnc", "open_targets_mechanisms"):
        publish(name)
        for file, data in samples.SAMPLES[name]:
            site.files[f"/mirror/{name}/{file}"] = data
    part = samples.SAMPLES["open_targets_mechanisms"][0][0]
    site.listings["/mirror/open_targets_mechanisms/"] = f'<a href="{part}">{part}</a>'
    monkeypatch.setenv("RECHALLENGE_MIRROR", site.url + "/mirror/")
    for name in ("hgnc", "open_targets_mechanisms"):
        knowledge.fetch(name)
    assert all(path.startswith("/mirror/") for path, _ in site.asked)


def test_the_checksum_is_demanded_of_a_mirror_too(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("collectri", sha256="0" * 64)
    samples.write(tmp_path / "mirror", "collectri")
    monkeypatch.setenv("RECHALLENGE_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(ChecksumError):
        knowledge.fetch("collectri")


def test_a_folder_whose_layout_changed_is_said(publish: Publish, site: Site) -> None:
    publish("open_targets_drugs")
    site.listings["/d/open_targets_drugs/"] = '<a href="part-00000.csv">x</a>'
    with pytest.raises(DownloadError, match=r"holds no file named \*.parquet"):
        knowledge.fetch("open_targets_drugs")


def test_links_of_a_listing_cannot_lead_elsewhere(site: Site) -> None:
    site.listings["/f/"] = (
        '<a href="/other/a.parquet">a</a><a href="http://elsewhere.invalid/b.parquet">b</a>'
        '<a href="..%2f..%2fc.parquet">c</a><a href="d.parquet">d</a>'
    )
    assert downloading.listing(site.url + "/f", "*.parquet") == [("d.parquet", f"{site.url}/f/d.parquet")]


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_local_copy_gives_the_same_table(publish: Publish, tmp_path: Path, name: str) -> None:
    publish(name)
    fetched = knowledge.fetch(name)
    knowledge.remove(name)
    added = knowledge.add(name, *samples.write(tmp_path / "mine", name))
    assert added["sha256"] == fetched["sha256"]
    assert added["files"][0]["address"] == "local copy"


def test_a_local_copy_says_what_is_known_of_its_version(tmp_path: Path, publish: Publish) -> None:
    paths = samples.write(tmp_path / "mine", "drugcentral")
    assert knowledge.add("drugcentral", *paths)["version"] == "unknown (local copy)"
    assert knowledge.add("drugcentral", *paths, version="2018")["version"] == "2018"
    assert knowledge.add("cellosaurus", *samples.write(tmp_path / "mine", "cellosaurus"))["version"] == "52.0"
    publish("drugcentral", sha256=hashlib.sha256(samples.DRUGCENTRAL).hexdigest())
    official = knowledge.add("drugcentral", *paths)
    assert official["version"] == "2021-09-01"
    assert official["files"][0]["checked"] == "the same as the official file"


def test_local_copies_in_a_folder_or_in_another_order(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    paths = samples.write(folder, "string_links")
    assert knowledge.add("string_links", folder)["rows"] == 2
    assert knowledge.add("string_links", *reversed(paths))["rows"] == 2
    with pytest.raises(KnowledgeError, match=r"made of 2 files .*; 1 were given"):
        knowledge.add("string_links", paths[0])
    with pytest.raises(KnowledgeError, match="There is no file"):
        knowledge.add("hgnc", tmp_path / "nothing.txt")
    with pytest.raises(KnowledgeError, match="Say which file"):
        knowledge.add("hgnc")


def test_starter_tables_are_neither_fetched_nor_removed() -> None:
    for act in (knowledge.fetch, knowledge.remove, lambda n: knowledge.add(n, "x")):
        with pytest.raises(KnowledgeError, match="comes with the package"):
            act("drugs")


def test_remove(publish: Publish, place: Path) -> None:
    publish("hgnc")
    assert not knowledge.remove("hgnc")
    knowledge.fetch("hgnc")
    assert knowledge.remove("hgnc")
    assert not (place / "hgnc").exists()
    with pytest.raises(NotInstalled):
        knowledge.table("hgnc")


def test_a_damaged_table_is_noticed(publish: Publish, place: Path) -> None:
    publish("hgnc")
    record = knowledge.fetch("hgnc")
    (place / "hgnc" / record["table"]).write_bytes(b"not parquet")
    with pytest.raises(KnowledgeError, match=r"changed or damaged.*fetch --again hgnc"):
        knowledge.table("hgnc")
    (place / "hgnc" / "provenance.json").write_text("{")
    with pytest.raises(KnowledgeError, match="damaged"):
        knowledge.table("hgnc")


def test_an_older_schema_is_parsed_again_without_a_network(publish: Publish, site: Site, place: Path) -> None:
    publish("hgnc")
    record = knowledge.fetch("hgnc")
    site.files.clear()
    path = place / "hgnc" / "provenance.json"
    path.write_text(json.dumps({**record, "schema": installing.SCHEMA - 1}))
    assert len(knowledge.table("hgnc")) == 2
    assert json.loads(path.read_text())["schema"] == installing.SCHEMA
    (place / "hgnc" / "raw" / "hgnc_complete_set.txt").write_bytes(b"other")
    path.write_text(json.dumps({**record, "schema": installing.SCHEMA - 1}))
    with pytest.raises(KnowledgeError, match="missing or changed"):
        knowledge.fetch("hgnc")


def test_the_same_file_gives_the_same_bytes(publish: Publish) -> None:
    publish("cellosaurus")
    first = knowledge.fetch("cellosaurus")["sha256"]
    assert knowledge.fetch("cellosaurus", again=True)["sha256"] == first


def test_tables_go_to_the_user_folder_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECHALLENGE_DATA")
    assert places.data_folder().parts[-2:] == ("rechallenge", "knowledge")
    monkeypatch.setenv("RECHALLENGE_DATA", "~/somewhere")
    assert places.data_folder() == Path.home() / "somewhere" / "knowledge"


def test_an_answer_without_a_length_is_read_to_its_end(publish: Publish, site: Site) -> None:
    publish("hgnc")
    site.chunked.add(FILE)
    assert knowledge.fetch("hgnc")["files"][0]["bytes"] == len(HGNC)


def test_an_answer_in_pieces_that_breaks_off_is_not_taken_for_whole(publish: Publish, site: Site) -> None:
    publish("hgnc")
    site.chunked.add(FILE)
    site.break_after[FILE] = [100]
    assert knowledge.fetch("hgnc")["files"][0]["bytes"] == len(HGNC)
    assert len(site.asked) == 2
