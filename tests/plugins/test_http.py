"""Documents on a real server on this machine: what is asked, what is refused, and what is read."""

from __future__ import annotations

import gc
import gzip
import io
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.errors import ConfigError, DataError, HostError
from engine.plugin import CHECK, Window
from plugins.extractors import http as module
from plugins.extractors._download import _unpacked, is_public
from plugins.extractors.http import Http

CSV = b"id,name\n1,a\n2,b\n"


@dataclass
class Site:
    """A server, what it answers by path, and what it was asked: method, path and headers."""

    server: ThreadingHTTPServer
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.server_port

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def put(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.url(path)

    def gets(self) -> int:
        return sum(method == "GET" for method, _, _ in self.asked)


@pytest.fixture
def site() -> Iterator[Site]:
    made: Site

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.command, self.path, dict(self.headers.items())))
            status, headers, body = made.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                try:
                    self.wfile.write(body)
                except OSError:
                    return  # the client had enough

        do_HEAD = do_GET  # noqa: N815  the name is the base's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base's
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Site(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def http(url: str | list[str], **parameters: Any) -> Http:
    local = {"hosts": ["127.0.0.1"], "allow_private": True, "insecure": True, "format": "csv"}
    return Http.model_validate({"url": url, **local, **parameters})


def rows(extractor: Http) -> pl.DataFrame:
    (partition,) = extractor.plan().partitions
    return extractor.read(partition).collect()


@pytest.mark.parametrize("packed", ["", "file", "answer", "both"])
@pytest.mark.parametrize(
    ("format_", "body", "options"),
    [
        ("csv", CSV, {}),
        ("csv", CSV.replace(b",", b";"), {"separator": ";"}),
        ("ndjson", b'{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n', {}),
        ("json", b'{"items": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}', {"records": "items"}),
    ],
)
def test_a_document_is_read_as_its_format_says(
    site: Site, packed: str, format_: str, body: bytes, options: dict[str, str]
) -> None:
    body = gzip.compress(body) if packed in {"file", "both"} else body
    encoding = {"Content_Encoding": "gzip"} if packed in {"answer", "both"} else {}
    url = site.put("/data", gzip.compress(body) if encoding else body, **encoding)
    assert rows(http(url, format=format_, options=options)).rows() == [(1, "a"), (2, "b")]


def test_a_parquet_document_is_read_whole_and_in_order(site: Site) -> None:
    frame = pl.DataFrame({"id": range(300_000)})
    buffer = io.BytesIO()
    frame.write_parquet(buffer, row_group_size=10_000)
    extractor = http(site.put("/data.parquet", buffer.getvalue()), format="parquet")
    (partition,) = extractor.plan().partitions
    read = extractor.read(partition)
    assert read.collect(engine="streaming").equals(frame)
    assert read.filter(pl.col("id") > 299_997).collect()["id"].to_list() == [299_998, 299_999]
    assert extractor.is_complete(partition, read)


def test_a_document_is_fetched_once_for_reading_looking_and_salvaging_and_then_removed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "downloads").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "downloads"))
    extractor = http(site.put("/data", b'{"a": 1}\n{"a": \n'), format="ndjson")
    (partition,) = extractor.plan().partitions
    for thorough in (False, True):
        with pytest.raises(pl.exceptions.ComputeError, match=r"line 2: not JSON"):
            extractor.read(partition, thorough=thorough).collect()
    found = extractor.salvage(partition, tmp_path)
    assert found is not None
    derived, rejected = found.rows.select(pl.col("a") + 1), found.rejected
    del found
    gc.collect()
    assert derived.collect()["a"].to_list() == [2]
    assert rejected.collect()[CHECK][0].startswith("line 2: not JSON")
    assert site.gets() == 1
    del derived, rejected
    gc.collect()
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_document_is_removed_when_it_was_complete(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    extractor = http([site.put(f"/{number}", CSV, ETag=f'"{number}"') for number in range(3)])
    for partition in extractor.plan().partitions:
        frame = extractor.read(partition).collect()
        assert extractor.is_complete(partition, frame.lazy())
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert site.gets() == 3


def test_few_documents_are_kept_when_nobody_says_that_they_were_complete(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_kept", type(module._kept)())
    extractor = http([site.put(f"/{number}", CSV) for number in range(9)])
    for partition in extractor.plan().partitions:
        assert extractor.read(partition).collect().height == 2
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 4


def test_the_fingerprint_changes_with_what_the_server_tells(site: Site) -> None:
    def fingerprint(**headers: str) -> str:
        extractor = http(site.put("/data", CSV, **headers))
        (partition,) = extractor.plan().partitions
        assert partition.name == extractor.url
        return partition.fingerprint

    assert fingerprint(ETag='"1"') == fingerprint(ETag='"1"') != fingerprint(ETag='"2"')
    assert fingerprint(Last_Modified="Mon, 1 Jan 2024 00:00:00 GMT") != fingerprint(
        Last_Modified="Tue, 2 Jan 2024 00:00:00 GMT"
    )
    assert fingerprint() != fingerprint(), "a length alone tells nothing of the contents"
    assert fingerprint().startswith("unknown-")
    assert site.gets() == 0, "a plan asks for no document"


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_that_does_not_answer_head_is_read_each_time(site: Site, status: int) -> None:
    (partition,) = http(site.put("/data", b"", status=status)).plan().partitions
    assert partition.fingerprint.startswith("unknown-")


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, ConfigError, "is the token right"),
        (404, DataError, "there is no document at"),
        (418, DataError, "does not give"),
        (429, HostError, "can not give"),
        (503, HostError, "can not give"),
    ],
)
def test_what_the_server_refuses_is_told_by_its_status(site: Site, status: int, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        http(site.put("/data", b"", status=status)).plan()


def test_redirects_are_followed_to_listed_hosts_only(site: Site) -> None:
    site.put("/data", CSV)
    for status in (301, 302, 303, 307, 308):
        site.put("/moved", b"", status=status, Location="/data")
        assert rows(http(site.url("/moved"))).height == 2
    site.put("/away", b"", status=302, Location=site.url("/data", "localhost"))
    with pytest.raises(ConfigError, match=r"localhost is not among the hosts[\s\S]*add localhost to hosts"):
        http(site.url("/away")).plan()
    assert rows(http(site.url("/away"), hosts=["127.0.0.1", "localhost"])).height == 2


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://user:pw@127.0.0.1/", "http://169.254.169.254/latest", "//10.0.0.1/"],
)
def test_a_redirect_to_elsewhere_is_refused(site: Site, target: str) -> None:
    site.put("/away", b"", status=302, Location=target)
    with pytest.raises(ConfigError):
        http(site.url("/away")).plan()


def test_endless_redirects_are_refused(site: Site) -> None:
    site.put("/round", b"", status=302, Location="/round")
    with pytest.raises(HostError, match=r"redirects more than 5 times"):
        http(site.url("/round")).plan()
    assert len(site.asked) == 6


def test_the_token_goes_to_the_first_host_and_to_no_other(site: Site) -> None:
    site.put("/data", CSV)
    site.put("/away", b"", status=302, Location=site.url("/data", "localhost"))
    extractor = http(site.url("/away"), hosts=["127.0.0.1", "localhost"], token="s3cret")
    assert rows(extractor).height == 2
    sent = {path: headers.get("Authorization") for _, path, headers in site.asked}
    assert sent == {"/away": "Bearer s3cret", "/data": None}
    assert "s3cret" not in repr(extractor) + str(extractor.model_dump(mode="json"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_unless_they_are_allowed(site: Site, host: str) -> None:
    site.put("/data", CSV)
    with pytest.raises(ConfigError, match=r"is a machine of a private network[\s\S]*allow_private"):
        http(site.url("/data", host), hosts=[host], allow_private=False).plan()
    assert site.asked == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_an_address_is_public_only_if_all_that_it_carries_is(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"insecure": False}, "is not encrypted"),
        ({"hosts": ["example.org"]}, "127.0.0.1 is not among the hosts"),
        ({"hosts": []}, "at least 1"),
        ({"url": []}, "empty list"),
        ({"url": "http://me:pw@127.0.0.1/x"}, "give a token"),
        ({"url": "file:///etc/passwd"}, "is no URL"),
        ({"url": "http://127.0.0.1/a b"}, "is no URL"),
        ({"url": "http://127.0.0.1:port/"}, "is no URL"),
        ({"url": "http://127.0.0.1\\@example.org/"}, "is no URL"),
        ({"url": ["http://127.0.0.1/a", "http://127.0.0.1:81/b"], "token": "x"}, "a token is for one host"),
        ({"format": "xml"}, "csv"),
        ({"options": {"path": "x"}}, "path is not an option"),
        ({"options": {"seperator": ";"}}, "did you mean 'separator'"),
        ({"max_bytes": 0}, "greater than or equal to 1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_before_anything_is_asked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        http(**{"url": "http://127.0.0.1/data", **change})


def test_a_connection_goes_to_an_address_that_was_looked_at_and_names_the_host(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*addresses: str) -> None:
        def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            known = addresses if host == "data.example.org" else [host]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known]

        monkeypatch.setattr("plugins.extractors._download.socket.getaddrinfo", found)

    site.put("/data", CSV)
    url = site.url("/data", "data.example.org")
    resolve("93.184.216.34", "127.0.0.1")
    with pytest.raises(ConfigError, match=r"data\.example\.org is a machine of a private network"):
        http(url, hosts=["data.example.org"], allow_private=False).plan()
    resolve("127.0.0.1")
    assert rows(http(url, hosts=["Data.Example.org."])).height == 2
    assert {headers["Host"] for _, _, headers in site.asked} == {f"data.example.org:{site.port}"}


def test_a_server_proves_over_https_that_it_is_the_host(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run([*made, *files, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.put("/data", CSV)
    url = site.url("/data", "localhost").replace("http:", "https:")
    with pytest.raises(HostError, match="does not prove that it is who it says"):
        http(url, hosts=["localhost"], insecure=False).plan()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert rows(http(url, hosts=["localhost"], insecure=False)).height == 2
    with pytest.raises(HostError, match="does not prove that it is who it says"):
        http(url.replace("localhost", "127.0.0.1"), insecure=False).plan()


def bomb(size: int) -> bytes:
    return gzip.compress(b"id\n" + b"1" * size)


@pytest.mark.parametrize(
    "put",
    [
        lambda site: site.put("/data", b"id\n" + b"1" * 200_000),
        lambda site: site.put("/data", b"id\n" + b"1" * 200_000, Content_Length=""),
        lambda site: site.put("/data", bomb(20_000_000)),
        lambda site: site.put("/data", bomb(20_000_000), Content_Encoding="gzip"),
        lambda site: site.put("/data", gzip.compress(bomb(2_000_000)), Content_Encoding="gzip"),
    ],
    ids=["told", "not told", "gzip", "encoded", "both"],
)
def test_a_document_that_is_too_large_is_refused_packed_or_not(site: Site, put: Callable[[Site], str]) -> None:
    with pytest.raises(DataError, match=r"larger than is allowed[\s\S]*at most 100,000 bytes"):
        rows(http(put(site), max_bytes=100_000))


def test_a_document_that_is_just_large_enough_is_read(site: Site) -> None:
    assert rows(http(site.put("/data", CSV), max_bytes=len(CSV))).height == 2


def test_an_answer_that_is_cut_is_an_error_of_the_host(site: Site) -> None:
    extractor = http(site.put("/data", CSV, Content_Length="1000"))
    with pytest.raises(HostError, match=r"the connection to .* failed"):
        rows(extractor)


def test_a_gzip_file_that_is_cut_is_an_error_of_the_data(site: Site) -> None:
    with pytest.raises(DataError, match=r"is not a whole gzip file"):
        rows(http(site.put("/data", gzip.compress(CSV * 1_000)[:-20])))


def test_errors_of_a_format_name_the_url(site: Site) -> None:
    url = site.put("/data", b"[1, 2")
    with pytest.raises(DataError, match=r"is not JSON") as error:
        rows(http(url, format="json"))
    assert error.value.where == url


def test_a_server_that_is_not_there_is_an_error_of_the_host() -> None:
    with pytest.raises(HostError, match=r"the connection to http://127.0.0.1:1 failed"):
        http("http://127.0.0.1:1/data").plan()
    nobody = "a" * 64 + ".invalid"  # too long for a name: no server is asked for its address
    with pytest.raises(HostError, match=f"the host {nobody} is not found"):
        http(f"http://{nobody}/data", hosts=[nobody]).plan()


def test_an_encoding_that_was_not_asked_for_is_refused(site: Site) -> None:
    with pytest.raises(DataError, match=r"is sent as br"):
        rows(http(site.put("/data", CSV, Content_Encoding="br")))


def test_a_window_of_dates_is_refused(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"no dates"):
        http(site.put("/data", CSV)).plan(Window(since="2024-01-01"))


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50), st.integers(0, 3))
def test_gzip_members_are_unpacked_whatever_the_chunks(parts: list[bytes], size: int, padding: int) -> None:
    packed = b"".join(map(gzip.compress, parts)) + b"\0" * (padding if parts else 0)
    chunks = (packed[start : start + size] for start in range(0, len(packed), size))
    assert b"".join(_unpacked(chunks, "url")) == b"".join(parts)
