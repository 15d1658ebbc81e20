"""Fetch files from URLs once and verify their digests."""

from __future__ import annotations

import errno
import hashlib
import json
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tidemill.data.ignored_files import IgnoredFile, ignored_files_of
from tidemill.data.notes import notes_of
from tidemill.data.shards import file_digest
from tidemill.domain.errors import Corrupt, DataError, Unavailable
from tidemill.domain.hosts import reaches_this_machine
from tidemill.domain.ports import Source
from tidemill.domain.types import Example
from tidemill.staging import publish_folder, stage_folder

if TYPE_CHECKING:
    import httpx

LIMIT = 4 * 2**30
"""The default limit on the bytes of one file."""
OFFLINE = "Without a network use data=sample, or files of your own: data=files data.path=FOLDER."
RECORD = "fetched.json"
TIMEOUT_S = 30.0
"""The longest silence of a server, in seconds."""
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""The errors of zipfile for an archive that is damaged, encrypted or compressed differently."""

DownloadProgress = Callable[[int, int], None]


class RemoteFile:
    """A file behind a URL, or the `member` of a zip archive there, cached below `cache`.

    `sha256` is the digest of the file that is read; for a member it is the member's, because
    archives are often packed again. Without `sha256` the first digest is recorded and must not
    change later. `offline` is a hint for people without a network. A file of more than `limit`
    bytes, packed or unpacked, is not kept.
    """

    def __init__(
        self,
        url: str,
        cache: Path,
        *,
        sha256: str = "",
        member: str = "",
        offline: str = OFFLINE,
        limit: int = LIMIT,
    ) -> None:
        self.url = url
        self.sha256 = sha256
        self.member = member
        self.offline = offline
        self.limit = limit
        key = hashlib.sha256(f"{url}\n{member}\n{sha256}".encode()).hexdigest()[:16]
        self.folder = cache / key
        self.path = self.folder / (PurePosixPath(member).name or _file_name(url))

    def fetch(self, progress: DownloadProgress) -> None:
        """Fetch the file to `path` and verify its digest; a cached file gives no progress.

        Raises Unavailable when the server cannot be reached, refuses or redirects from https to
        http. Raises DataError when it sends an unexpected file, Corrupt when the cached file was
        changed, and StorageFailed. A file with a wrong digest is not kept.
        """
        if self.folder.is_dir():
            self._verify()
            return
        with stage_folder(self.folder.parent) as folder:
            file = folder / self.path.name
            self._download(file, progress)
            digest = file_digest(file)
            if self.sha256 and digest != self.sha256:
                raise DataError(
                    f"{self._title()} is not the file that was expected: its sha256 is {digest}.",
                    hint="It was changed there. Choose another revision, or files of your own.",
                )
            record = {"url": self.url, "member": self.member, "sha256": digest}
            (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
            publish_folder(folder, self.folder.name)

    def _download(self, file: Path, progress: DownloadProgress) -> None:
        if not self.member:
            with file.open("wb") as out:
                self._receive(out, progress)
            return
        archive = file.with_name("archive.zip.part")
        with archive.open("wb") as out:
            self._receive(out, progress)
        self._unpack(archive, file)
        archive.unlink()

    def _receive(self, out: IO[bytes], progress: DownloadProgress) -> None:
        # Loaded here, because every recipe names its remote data, and few processes fetch any.
        import httpx

        done = 0
        try:
            with _client(self.url) as client, client.stream("GET", self.url) as answer:
                answer.raise_for_status()
                announced = int(answer.headers.get("content-length", 0))
                for block in answer.iter_bytes():
                    out.write(block)
                    done += len(block)
                    if done > self.limit:
                        raise DataError(f"{self.url} is larger than {self.limit:,} bytes.")
                    progress(done, max(done, announced))
        except httpx.HTTPStatusError as error:
            raise Unavailable(
                f"{self.url} answers with status {error.response.status_code}.", hint=self.offline
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(
                f"{self.url} cannot be fetched: {reason}.", hint=self.offline
            ) from error

    def _unpack(self, archive: Path, file: Path) -> None:
        try:
            with zipfile.ZipFile(archive) as packed:
                if self.member not in packed.namelist():
                    listed = ", ".join(packed.namelist()[:5])
                    raise DataError(f"{self._title()} is not there; the archive holds {listed}.")
                if packed.getinfo(self.member).file_size > self.limit:
                    raise DataError(f"{self._title()} is larger than {self.limit:,} bytes.")
                with packed.open(self.member) as member, file.open("wb") as out:
                    shutil.copyfileobj(member, out)
        except DAMAGE as error:
            raise self._unreadable(str(error) or "it ends too early") from error
        except OSError as error:
            # The disk is not the cause: an error in bz2 data has no number, and an offset before
            # the beginning of the file causes an invalid seek.
            if error.errno not in (None, errno.EINVAL):
                raise
            raise self._unreadable(error.strerror or str(error)) from error

    def _verify(self) -> None:
        try:
            record = json.loads((self.folder / RECORD).read_text("utf-8"))
            intact = file_digest(self.path) == record["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            raise Corrupt(
                f"{self.path} is not what was fetched.", hint="Remove its folder to fetch it again."
            )

    def _unreadable(self, reason: str) -> DataError:
        return DataError(f"{self.url} is no zip archive to read: {reason}.")

    def _title(self) -> str:
        return f"{self.member} in {self.url}" if self.member else self.url


class RemoteSource:
    """A source over remote files, which `prepare` fetches. Fulfils `domain.ports.Source`."""

    def __init__(self, source: Source, files: Sequence[RemoteFile]) -> None:
        self.name = source.name
        self.source = source
        self.files = tuple(files)

    def prepare(self, progress: DownloadProgress) -> None:
        """Fetch missing files and report the bytes of each. Raises what `fetch` raises."""
        for file in self.files:
            file.fetch(progress)
        self.source.prepare(progress)

    def examples(self) -> Iterator[Example]:
        """Yield the source's examples. Raises its errors: DataError for a file that is missing."""
        return self.source.examples()

    def __len__(self) -> int:
        return len(self.source)

    def notes(self) -> tuple[str, ...]:
        """Return the notes of the source on its last reading."""
        return notes_of(self.source)

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The files that the source ignores."""
        return ignored_files_of(self.source)


def _file_name(url: str) -> str:
    """Return the last part of a URL's path; `file` where that is no name of a file."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).name
    except ValueError:
        return "file"
    return "file" if name in ("", "..") or "\0" in name else name


def _client(url: str) -> httpx.Client:
    import httpx

    return httpx.Client(
        follow_redirects=True,
        timeout=TIMEOUT_S,
        event_hooks={"response": [_keep_https]},
        # A proxy of the environment does not reach a server of this machine. Its certificates are
        # those of the environment all the same.
        verify=httpx.create_ssl_context(),
        trust_env=not reaches_this_machine(httpx.URL(url).host),
    )


def _keep_https(answer: httpx.Response) -> None:
    """Raise Unavailable for a redirection from https to http, which anybody could intercept."""
    if answer.url.scheme == "https" and answer.has_redirect_location:
        to = answer.url.join(answer.headers["location"])
        if to.scheme == "http":
            raise Unavailable(f"{answer.url} leads to {to}, without encryption.", hint=OFFLINE)
