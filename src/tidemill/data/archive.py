"""Read examples from a zip archive of class folders without unpacking it."""

from __future__ import annotations

import errno
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from tidemill.codecs.image import IMAGE_SUFFIXES
from tidemill.data.class_folders import ClassFile, find_class_files, refuse_index
from tidemill.data.folder import SPLIT_NAMES
from tidemill.data.ignored_files import HIDDEN, IgnoredFile
from tidemill.data.remote import DAMAGE
from tidemill.domain.errors import DataError
from tidemill.domain.text import printable
from tidemill.domain.types import Example, Labels, Split, payload_id

LIMIT = 64 * 2**20
"""The most bytes that are read from one member."""
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The compression methods that are accepted. Both can be unpacked in steps of bounded size."""
DEPTH = 32
"""The most folders above a member. Each level costs time and memory."""
SHOWN = 120
"""The most letters of a faulty name that a message shows."""


class ArchiveSource:
    """Yield the examples of a zip archive in the order of their paths. Fulfils
    `domain.ports.Source`.

    `class_folders.find_class_files` describes the folders. `labels` is the target whose label is
    the name of the class folder, or a function from that name to labels. Members are read one at a
    time. Only names stay in memory, so an archive may be larger than memory and disk.

    The whole archive is refused when a name is empty, leads out of the archive or lies in more than
    `DEPTH` folders. It is refused when two names differ only by case, or when a name is a link or
    both a file and a folder. It is refused when a member is encrypted or larger than `limit` bytes.
    Every fault raises DataError, which quotes the name.
    """

    name = "archive"

    def __init__(
        self,
        path: Path,
        labels: str | Callable[[str], Labels] = "label",
        *,
        suffixes: Collection[str] = IMAGE_SUFFIXES,
        splits: Mapping[str, Split] = SPLIT_NAMES,
        limit: int = LIMIT,
    ) -> None:
        self.path = path
        self.suffixes = frozenset(suffix.lower() for suffix in suffixes)
        self.splits = dict(splits)
        self.limit = limit
        self._labels = labels

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: an archive is a local file. A missing one is reported when it is read."""

    def examples(self) -> Iterator[Example]:
        """Yield every example, sorted by origin.

        Raises DataError, also when a member is damaged.
        """
        with self._opened() as archive:
            files = self._placed(archive)
            members = {_path(info): info for info in archive.infolist() if not info.is_dir()}
            for one in files:
                payload = self._read(archive, members[one.path])
                yield Example(
                    id=payload_id(payload),
                    payload=payload,
                    labels=self._labelled(one.folder),
                    source=self.name,
                    origin=str(one.path),
                    split=one.split,
                )

    def __len__(self) -> int:
        """Return the number of examples from the names alone.

        Raises DataError as `examples` does.
        """
        with self._opened() as archive:
            return len(self._placed(archive))

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """The members that become no example. Raises DataError as `examples` does."""
        with self._opened() as archive:
            used = {one.path for one in self._placed(archive)}
            paths = {_path(info) for info in archive.infolist() if not info.is_dir()}
        reason = f"no {'/'.join(sorted(self.suffixes))} file"
        ignored = {
            IgnoredFile(printable(part), HIDDEN)
            if (part := _hidden_part(path))
            else IgnoredFile(printable(str(path)), reason)
            for path in paths - used
        }
        return tuple(sorted(ignored, key=lambda row: row.path))

    def _labelled(self, folder: str) -> Labels:
        return {self._labels: folder} if isinstance(self._labels, str) else self._labels(folder)

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except FileNotFoundError as error:
            raise DataError(
                f"There is no archive {self.path}.", hint="Give a zip file of class folders."
            ) from error
        except (*DAMAGE, OSError) as error:
            raise DataError(
                f"{self.path} is no zip archive to read: {_reason(error)}.",
                hint="Fetch or pack it again.",
            ) from error

    def _placed(self, archive: zipfile.ZipFile) -> list[ClassFile]:
        infos = archive.infolist()
        self._refuse(infos)
        paths = {_path(info): info.is_dir() for info in infos}
        shown = {path: folder for path, folder in paths.items() if not _hidden(path)}
        refuse_index(shown, self.path.name)
        files = [
            path
            for path, folder in shown.items()
            if not folder and path.suffix.lower() in self.suffixes
        ]
        if not files:
            raise DataError(
                f"{self.path} holds no {'/'.join(sorted(self.suffixes))} file.",
                hint="Pack one folder per class.",
            )
        folders = {path if folder else path.parent for path, folder in shown.items()}
        return find_class_files(files, folders, self.path.name, self.splits)

    def _refuse(self, infos: Sequence[zipfile.ZipInfo]) -> None:
        tree = _Tree(self.path.name)
        for info in infos:
            fault = (
                _unplaceable(info) or _leads_out(info) or _strange(info) or self._too_large(info)
            )
            if fault:
                raise DataError(
                    f"{_short(info.filename)!r} in {self.path.name} {fault}.",
                    hint="Pack plain files in folders, without a password.",
                )
            tree.add(_path(info), folder=info.is_dir())

    def _too_large(self, info: zipfile.ZipInfo) -> str:
        if info.file_size <= self.limit:
            return ""
        return f"has {info.file_size:,} bytes; the limit is {self.limit:,}"

    def _read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        """Unpack no more bytes than the directory announces, and compare the checksum."""
        try:
            with archive.open(info) as member:
                return member.read(self.limit)
        except DAMAGE as error:
            raise self._damaged(info, error) from error
        except OSError as error:
            # An offset before the beginning of the file causes an invalid seek.
            if error.errno not in (None, errno.EINVAL):
                raise DataError(f"{self.path} cannot be read: {error.strerror}.") from error
            raise self._damaged(info, error) from error

    def _damaged(self, info: zipfile.ZipInfo, error: Exception) -> DataError:
        return DataError(
            f"{info.filename} in {self.path.name} cannot be read: {_reason(error)}.",
            hint="The archive is damaged, or not what it announces. Fetch or pack it again.",
        )


class _Tree:
    """Every name of an archive once, as a tree of folders."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._nodes: dict[tuple[int, str], _Node] = {}

    def add(self, path: PurePosixPath, *, folder: bool) -> None:
        """Raise DataError for a duplicate file and for a name that conflicts with another."""
        above, last = 0, len(path.parts) - 1
        for at, part in enumerate(path.parts):
            new = _Node(len(self._nodes) + 1, part, folder or at < last)
            node = self._nodes.setdefault((above, _folded(part)), new)
            above = node.id
            if node is not new and (node.name, node.folder, True) != (part, new.folder, new.folder):
                raise self._refused(node, new, PurePosixPath(*path.parts[: at + 1]))

    def _refused(self, node: _Node, new: _Node, path: PurePosixPath) -> DataError:
        if node.name != new.name:
            return DataError(
                f"{self.where} holds {path.with_name(node.name)} and {path}, which are one on some"
                " systems.",
                hint="Give them names that differ by more than case.",
            )
        if node.folder != new.folder:
            return DataError(
                f"{self.where} holds {path} as a file and as a folder.",
                hint="Only one of them can be unpacked. Pack it again.",
            )
        return DataError(f"{self.where} holds {path} twice.")


@dataclass(frozen=True, slots=True)
class _Node:
    """One part of a name, as it is spelled. Names below it refer to it by `id`."""

    id: int
    name: str
    folder: bool


def _short(name: str) -> str:
    return name if len(name) <= SHOWN else f"{name[:SHOWN]}..."


def _unplaceable(info: zipfile.ZipInfo) -> str:
    # The slashes are counted in the name, because a path of so many parts is slow to build.
    if info.filename.count("/") > DEPTH:
        return f"lies in more than {DEPTH} folders"
    return "" if info.filename else "has no name"


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename)


def _leads_out(info: zipfile.ZipInfo) -> str:
    windows = PureWindowsPath(info.filename)
    # zipfile cuts a name at a NUL and replaces backslashes on Windows. This is the original name.
    if "\\" in info.orig_filename or "\0" in info.orig_filename:
        return "has a name with a backslash or NUL"
    outside = ".." in windows.parts or windows.drive or windows.root
    return "leads out of the archive" if outside else ""


def _strange(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if kind == stat.S_IFLNK else "is neither file nor folder"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in PACKED:
        return "is packed in another way than deflate"
    return ""


def _hidden(path: PurePosixPath) -> bool:
    # The archiver of macOS stores metadata for each file in a folder of its own.
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _hidden_part(path: PurePosixPath) -> str:
    """The outermost hidden folder or file of a path, a folder with a / behind; empty for none."""
    for part in (*reversed(path.parents), path):
        if _hidden(part):
            return str(part) if part == path else f"{part}/"
    return ""


def _folded(part: str) -> str:
    return unicodedata.normalize("NFC", part).casefold()


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return (reason or "it ends too early").rstrip(".")
