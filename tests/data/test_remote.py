"""Files behind URLs, from a server of this test's own."""

from __future__ import annotations

import hashlib
import io
import shutil
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tidemill.data import remote
from tidemill.data.hub import hub_url
from tidemill.data.payloads import TextColumn
from tidemill.data.remote import RemoteFile, RemoteSource
from tidemill.data.row_files import CsvRows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.domain.errors import Corrupt, DataError, StorageFailed, Unavailable, UsageError
from tidemill.recipes.shared import archive

ROWS = b"text,label\nyes it is,1\n"
SHA = hashlib.sha256(ROWS).hexdigest()


class Shelf(BaseHTTPRequestHandler):
    """Gives what lies on it; `leads` elsewhere; `/cut` announces more than it gives."""

    files: ClassVar[dict[str, bytes]] = {}
    leads: ClassVar[dict[str, str]] = {}
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path in self.leads:
            self.send_response(302)
            self.send_header("Location", self.leads[self.path])
            self.end_headers()
            return
        content = self.files.get(self.path.partition("?")[0])
        self.send_response(404 if content is None else 200)
        body = content or b""
        self.send_header("Content-Length", str(len(body) + (9 if self.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[str]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner/data.csv", ROWS)
    Shelf.files = {"/rows.csv": ROWS, "/cut": ROWS, "/all.zip": packed.getvalue(), "/": ROWS}
    Shelf.leads = {"/old": "/rows.csv"}
    Shelf.requests = []
    with served(ThreadingHTTPServer(("127.0.0.1", 0), Shelf)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[int]:
    """Serves until the end of the block; gives the port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def https_shelf(shelf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same shelf behind https, with a certificate that is believed while the test runs."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl makes the certificate, and is not installed")
    folder = tmp_path / "tls"
    folder.mkdir()
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    named = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    words = f"{options} {named} -keyout key.pem -out cert.pem".split()
    subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server) as port:
        yield f"https://127.0.0.1:{port}"


def fetched(file: RemoteFile) -> list[tuple[int, int]]:
    steps: list[tuple[int, int]] = []
    file.fetch(lambda done, everything: steps.append((done, everything)))
    return steps


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_checked(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/rows.csv?download=true", tmp_path, sha256=SHA)
    assert fetched(file)[-1] == (len(ROWS), len(ROWS))
    assert file.path.name == "rows.csv"
    assert file.path.read_bytes() == ROWS
    assert fetched(file) == []
    assert len(Shelf.requests) == 1


def test_a_redirection_is_followed(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/old", tmp_path, sha256=SHA)
    fetched(file)
    assert file.path.read_bytes() == ROWS


def test_a_redirection_stays_encrypted(shelf: str, https_shelf: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    Shelf.leads |= {"/away": f"{shelf}/rows.csv", "/on": "/away", "/up": f"{https_shelf}/old"}
    fetched(RemoteFile(f"{https_shelf}/old", folder))
    fetched(RemoteFile(f"{shelf}/up", folder))
    before = left(folder)
    for path in ("/away", "/on"):
        Shelf.requests.clear()
        with pytest.raises(Unavailable, match=r"leads to http://.*, without encryption") as raised:
            fetched(RemoteFile(f"{https_shelf}{path}", folder))
        assert "data=sample" in raised.value.hint
        assert "/rows.csv" not in Shelf.requests
    assert left(folder) == before


@pytest.mark.parametrize("path", ["", "a/..", "..", "%2e%2e", "a%00b"])
def test_a_url_without_the_name_of_a_file_has_one(path: str, tmp_path: Path) -> None:
    assert RemoteFile(f"http://localhost/{path}", tmp_path).path.name == "file"
    assert RemoteFile("http://[", tmp_path).path.name == "file"


def test_a_url_without_a_name_has_a_file(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/", tmp_path)
    fetched(file)
    assert file.path.read_bytes() == ROWS


def test_another_digest_is_refused_and_nothing_kept(shelf: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the file that was expected") as raised:
        fetched(RemoteFile(f"{shelf}/rows.csv", tmp_path, sha256="0" * 64))
    assert SHA in raised.value.message
    assert left(tmp_path) == []


def test_a_digest_nobody_knew_is_recorded_and_holds(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/rows.csv", tmp_path)
    fetched(file)
    file.path.write_bytes(ROWS + b"and one more,0\n")
    with pytest.raises(Corrupt, match="is not what was fetched"):
        fetched(file)
    file.path.unlink()
    with pytest.raises(Corrupt, match="is not what was fetched"):
        fetched(file)


def test_a_member_of_an_archive_is_taken_out(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/all.zip", tmp_path, sha256=SHA, member="inner/data.csv")
    fetched(file)
    assert file.path.read_bytes() == ROWS
    assert left(tmp_path) == ["data.csv", "fetched.json"]


def test_an_archive_without_the_member_or_none_at_all(shelf: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"other\.csv in .* the archive holds inner/data\.csv"):
        fetched(RemoteFile(f"{shelf}/all.zip", tmp_path, member="other.csv"))
    with pytest.raises(DataError, match="is no zip archive"):
        fetched(RemoteFile(f"{shelf}/rows.csv", tmp_path, member="other.csv"))
    assert left(tmp_path) == []


LONG = b"".join(b"row %d\n" % number for number in range(500))


def damaged(kind: int) -> bytes:
    """An archive packed in one way, with some bytes of its member turned over."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        archive.writestr("rows", LONG)
    content = bytearray(packed.getvalue())
    for at in range(60, 90):
        content[at] ^= 0xFF
    return bytes(content)


def announcing(size: int) -> bytes:
    """An archive whose directory says that its member has so many bytes, and no more of it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rows", LONG)
    content = bytearray(packed.getvalue())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = size.to_bytes(4, "little") * 2
    return bytes(content)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (damaged(zipfile.ZIP_STORED), "CRC"),
        (damaged(zipfile.ZIP_DEFLATED), "decompressing"),
        (damaged(zipfile.ZIP_BZIP2), "Invalid data stream"),
        (damaged(zipfile.ZIP_LZMA), "input"),
        (announcing(2 * len(LONG)), "it ends too early"),
    ],
    ids=["stored", "deflated", "bzip2", "lzma", "short"],
)
def test_a_damaged_archive_is_said_to_be_one(
    shelf: str, tmp_path: Path, archive: bytes, message: str
) -> None:
    Shelf.files["/all.zip"] = archive
    with pytest.raises(DataError, match=f"is no zip archive to read: .*{message}"):
        fetched(RemoteFile(f"{shelf}/all.zip", tmp_path, member="rows"))
    assert left(tmp_path) == []


def test_an_archive_whose_directory_lies_elsewhere(shelf: str, tmp_path: Path) -> None:
    content = bytearray(Shelf.files["/all.zip"])
    end = content.rindex(b"PK\x05\x06")
    content[end + 17] += 1
    Shelf.files["/all.zip"] = bytes(content)
    with pytest.raises(DataError, match="is no zip archive to read: Invalid argument"):
        fetched(RemoteFile(f"{shelf}/all.zip", tmp_path, member="inner/data.csv"))


def test_a_disk_that_fails_is_not_called_a_damaged_archive(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/all.zip", tmp_path, member="inner/data.csv")
    file.path = file.path.with_name("n" * 300)
    with pytest.raises(StorageFailed):
        fetched(file)


def test_what_is_too_large_is_not_taken(shelf: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"larger than {len(ROWS) - 1} bytes"):
        fetched(RemoteFile(f"{shelf}/rows.csv", tmp_path, limit=len(ROWS) - 1))
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(1001))
    Shelf.files["/zeros.zip"] = zeros.getvalue()
    with pytest.raises(DataError, match=r"zeros in .* is larger than 1,000 bytes"):
        fetched(RemoteFile(f"{shelf}/zeros.zip", tmp_path, member="zeros", limit=1000))
    assert left(tmp_path) == []
    fetched(RemoteFile(f"{shelf}/rows.csv", tmp_path, limit=len(ROWS)))


def test_an_archive_of_images_has_a_limit_of_its_own(
    shelf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.LIMIT > 10 * 10**9 > remote.LIMIT
    monkeypatch.setattr(archive, "LIMIT", len(ROWS) - 1)
    url = f"{shelf}/rows.csv"
    data = archive.ArchiveData(name="archive", path=None, url=url, sha256=None, val="val")
    with pytest.raises(DataError, match=f"larger than {len(ROWS) - 1} bytes"):
        archive.open_archive(data, "kind", tmp_path).prepare(lambda done, everything: None)
    assert left(tmp_path) == []


def test_a_server_that_refuses_or_stops_is_unavailable(shelf: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="answers with status 404"):
        fetched(RemoteFile(f"{shelf}/none.csv", tmp_path))
    with pytest.raises(Unavailable, match="cannot be fetched"):
        fetched(RemoteFile(f"{shelf}/cut", tmp_path))
    assert left(tmp_path) == []


def test_without_a_network_the_offline_choices_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        fetched(RemoteFile("http://127.0.0.1:1/rows.csv", tmp_path))
    assert "data=sample" in raised.value.hint
    assert "data=files data.path=FOLDER" in raised.value.hint
    with pytest.raises(Unavailable, match="cannot be fetched"):
        fetched(RemoteFile("ftp://127.0.0.1/rows.csv", tmp_path))


def test_a_source_fetches_its_files_first(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/rows.csv", tmp_path, sha256=SHA)
    labels = {"answer": LabelColumn("label", {"1": "yes"})}
    rows = RowSource("boolq", [Part(CsvRows(file.path), "train")], TextColumn("text"), labels)
    source = RemoteSource(rows, [file])
    with pytest.raises(DataError, match="cannot be read"):
        list(source.examples())
    source.prepare(lambda _done, _all: None)
    (example,) = source.examples()
    assert (example.payload, example.source) == (b"yes it is", "boolq")
    assert (source.name, len(source), source.notes()) == ("boolq", 1, ())


def test_a_file_of_the_hub_lies_at_one_commit() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    url = hub_url("google/boolq", commit, "data/a b.parquet", host="http://localhost")
    assert url == f"http://localhost/datasets/google/boolq/resolve/{commit}/data/a%20b.parquet"
    with pytest.raises(UsageError, match="'main' is no revision"):
        hub_url("google/boolq", "main", "data/train.parquet")
