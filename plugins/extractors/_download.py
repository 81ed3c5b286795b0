"""Gets documents from servers that the user has listed, and from nowhere else."""

from __future__ import annotations

import ipaddress
import socket
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from engine.errors import ConfigError, DataError, HostError, LevadaError
from engine.names import Secret

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 5
_CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Client:
    """Gets documents over HTTP.

    Each host, also one that a server redirects to, must be among ``hosts``, and each of its addresses must be a public one
    unless ``allow_private``; the connection goes to an address that was looked at. The token goes to the first host alone.
    """

    hosts: frozenset[str]
    allow_private: bool
    insecure: bool
    max_bytes: int
    timeout: float
    token: Secret | None

    def head(self, url: str) -> Mapping[str, str]:
        """Return the headers of a document, nothing when the server does not tell them without the document."""
        with self._answer("HEAD", url) as response:
            if response.status in {403, 405, 501}:
                return {}
            _require_success(response.status, url)
            return dict(response.headers.items())

    def fetch(self, url: str, file: IO[bytes], *, unpack: bool) -> None:
        """Write a document into a file, without its content encoding; ``unpack`` also unpacks one that is gzipped itself.

        ``DataError`` when it has more than ``max_bytes``, packed or unpacked; nothing more is read then.
        """
        with self._answer("GET", url) as response:
            _require_success(response.status, url)
            told = response.headers.get("Content-Length", "")
            if told.isdecimal() and int(told) > self.max_bytes:
                raise self._too_large(url)
            chunks = self._limited(self._body(response, url), url)
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding in {"gzip", "x-gzip"}:
                chunks = self._limited(_unpacked(chunks, url), url)
            elif encoding not in {"", "identity"}:
                raise DataError(f"{url} is sent as {encoding}", where=url, expected="an answer as it is, or as gzip")
            if unpack:
                chunks = self._limited(_unpacked(chunks, url), url)
            for chunk in chunks:
                file.write(chunk)

    def check(self, url: str) -> SplitResult:
        """Return the parts of a URL; ``ConfigError`` unless it may be asked for."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"'{url}' is no URL", found=str(error)) from None
        host = _name(parts.hostname or "")
        if parts.scheme not in {"http", "https"} or not host or port == 0 or not url.isascii() or set(url) & set(' \\"<>'):
            raise ConfigError(f"'{url}' is no URL of a document", expected="https://host/path in plain ASCII")
        if parts.username is not None or parts.password is not None:
            raise ConfigError(f"the URL of {host} has a user name in it", hint="give a token")
        if parts.scheme == "http" and not self.insecure:
            raise ConfigError(
                f"{url} is not encrypted",
                expected="https://",
                hint="insecure: true reads it all the same",
            )
        if host not in self.hosts:
            raise ConfigError(
                f"{host} is not among the hosts that may be asked",
                expected="one of " + ", ".join(sorted(self.hosts)),
                found=url,
                hint=f"add {host} to hosts if you trust it",
            )
        return parts

    @contextmanager
    def _answer(self, method: str, url: str) -> Iterator[BaseHTTPResponse]:
        """Ask, follow redirects, and close the connection in the end."""
        first = self.check(url)
        here = url
        for _ in range(_MOST_REDIRECTS + 1):
            parts = self.check(here)
            is_same = (parts.scheme, parts.netloc.lower()) == (first.scheme, first.netloc.lower())
            response = self._send(method, parts, with_token=is_same)
            try:
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or target is None:
                    yield response
                    return
                here = urljoin(here, target)
            finally:
                response.close()
        raise HostError(f"{url} redirects more than {_MOST_REDIRECTS} times", where=url, found=here)

    def _send(self, method: str, parts: SplitResult, *, with_token: bool) -> BaseHTTPResponse:
        try:
            import urllib3
        except ImportError as error:
            raise HostError("documents on the web need the library urllib3", hint="pip install 'levada[http]'") from error

        host = _name(parts.hostname or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", "User-Agent": "levada"}
        if with_token and self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        timeout = urllib3.Timeout(connect=self.timeout, read=self.timeout)
        failure: Exception | None = None
        for address in self._addresses(host, port):
            pool = (
                urllib3.HTTPSConnectionPool(address, port, timeout=timeout, server_hostname=host, assert_hostname=host)
                if parts.scheme == "https"
                else urllib3.HTTPConnectionPool(address, port, timeout=timeout)
            )
            try:
                return pool.urlopen(
                    method, target, headers=headers, redirect=False, retries=False, preload_content=False, decode_content=False
                )
            except urllib3.exceptions.HTTPError as error:
                failure = error
        raise _unreachable(f"{parts.scheme}://{parts.netloc}", failure)

    def _addresses(self, host: str, port: int) -> list[str]:
        """Return all addresses of a host. ``ConfigError`` when one is of this machine or its network."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise HostError(f"the host {host} is not found", found=str(error)) from None
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for address in addresses:
            if not self.allow_private and not is_public(address):
                raise ConfigError(
                    f"{host} is a machine of a private network",
                    found=address,
                    hint="allow_private: true asks it all the same",
                )
        return addresses

    def _body(self, response: BaseHTTPResponse, url: str) -> Iterator[bytes]:
        import urllib3

        try:
            yield from response.stream(_CHUNK, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(url, error) from None

    def _limited(self, chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
        left = self.max_bytes
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise self._too_large(url)
            yield chunk

    def _too_large(self, url: str) -> DataError:
        return DataError(
            f"{url} is larger than is allowed", where=url, expected=f"at most {self.max_bytes:,} bytes", hint="raise max_bytes"
        )


def _name(host: str) -> str:
    return host.lower().rstrip(".")


def is_public(address: str) -> bool:
    """Say whether an address is one of the internet, also by the IPv4 address that an IPv6 one may carry."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in _NAT64:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        if not all(is_public(str(carried)) for carried in inner if carried is not None):
            return False
        if found.ipv4_mapped is not None:
            return True
    return found.is_global and not found.is_multicast


def _require_success(status: int, url: str) -> None:
    if status == 200:
        return
    if status in {401, 403}:
        raise ConfigError(f"the server refuses {url}", found=f"status {status}", hint="is the token right?")
    if status in {408, 429} or status >= 500:
        raise HostError(f"the server can not give {url} now", where=url, found=f"status {status}")
    what = f"there is no document at {url}" if status in {404, 410} else f"the server does not give {url}"
    raise DataError(what, where=url, found=f"status {status}")


def _unreachable(url: str, error: Exception | None) -> LevadaError:
    import urllib3

    if isinstance(error, urllib3.exceptions.SSLError):
        return HostError(f"{url} does not prove that it is who it says", where=url, found=str(error)[:200])
    is_refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # which counts as a time-out, too
    if isinstance(error, urllib3.exceptions.TimeoutError) and not is_refused:
        return HostError(f"{url} does not answer in time", where=url, hint="raise timeout if the server is that slow")
    return HostError(f"the connection to {url} failed", where=url, found=str(error)[:200])


def _unpacked(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Yield what gzipped chunks hold, piece by piece; chunks that are not gzipped as they are."""
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_GZIP):
            break
    if not start.startswith(_GZIP):
        yield start
        yield from chunks
        return
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for packed in chain([start], chunks):
            rest = packed
            while rest:
                if unpacker.eof:
                    rest = rest.lstrip(b"\0")  # padding between and after the members of a file
                    if not rest:
                        break
                    unpacker = zlib.decompressobj(wbits=31)
                yield unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise DataError(f"{url} is not a whole gzip file", where=url, found=str(error)) from None
    if not unpacker.eof:
        raise DataError(f"{url} is not a whole gzip file", where=url, found="it ends in the middle")
