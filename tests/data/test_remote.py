"""Files behind URLs, from a server of this test's own."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tidemill.data import remote
from tidemill.data.csv_rows import CsvRows
from tidemill.data.hub import hub_url
from tidemill.data.payloads import TextColumn
from tidemill.data.remote import Fetched, RemoteFile
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.domain.errors import Corrupt, DataError, Unavailable, UsageError

ROWS = b"text,label\nyes it is,1\n"
SHA = hashlib.sha256(ROWS).hexdigest()


class Shelf(BaseHTTPRequestHandler):
    """Gives what lies on it; `/old` leads to `/rows.csv`, `/cut` announces more than it gives."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/old":
            self.send_response(302)
            self.send_header("Location", "/rows.csv")
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
    Shelf.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def fetched(file: RemoteFile) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    file.fetch(lambda done, everything: told.append((done, everything)))
    return told


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_checked(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/rows.csv?download=true", tmp_path, sha256=SHA)
    assert fetched(file)[-1] == (len(ROWS), len(ROWS))
    assert file.path.name == "rows.csv"
    assert file.path.read_bytes() == ROWS
    assert fetched(file) == []
    assert len(Shelf.asked) == 1


def test_a_redirection_is_followed(shelf: str, tmp_path: Path) -> None:
    file = RemoteFile(f"{shelf}/old", tmp_path, sha256=SHA)
    fetched(file)
    assert file.path.read_bytes() == ROWS


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


def test_what_is_too_large_is_not_taken(
    shelf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LIMIT", len(ROWS) - 1)
    with pytest.raises(DataError, match="larger than"):
        fetched(RemoteFile(f"{shelf}/rows.csv", tmp_path))
    monkeypatch.setattr(remote, "LIMIT", 10 * len(ROWS))
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(11 * len(ROWS)))
    Shelf.files["/zeros.zip"] = zeros.getvalue()
    with pytest.raises(DataError, match=r"zeros in .* is larger than"):
        fetched(RemoteFile(f"{shelf}/zeros.zip", tmp_path, member="zeros"))


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
    source = Fetched(rows, [file])
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
