"""A folder that appears whole or not at all.

Snapshots and bundles are folders named by their content. They are written under a hidden name and
renamed once complete, so a full disk, a kill or a bug never leaves a half-written snapshot.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tidemill.domain.errors import StorageFailed

PREFIX = ".writing-"


@contextlib.contextmanager
def stage_folder(root: Path) -> Iterator[Path]:
    """Yield a new empty folder beside the finished ones; removed afterwards unless
    `publish_folder` moved it.

    Raises StorageFailed when the folder cannot be made or filled.
    """
    folder = root / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except BrokenPipeError:
        raise  # The reader of our output has left, which says nothing about the disk.
    except OSError as error:
        raise StorageFailed(
            f"Could not write below {root}: {error.strerror or error}.",
            hint=_hint(error),
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hint(error: OSError) -> str:
    other = "choose another folder with TIDEMILL_HOME."
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"A file is where a folder must be: {other}"
    return f"Free some space or {other}"


def publish_folder(folder: Path, name: str, *, durable: bool = True) -> Path:
    """Give a finished folder its name. An existing one has the same bytes and stays.

    `durable` syncs every file first, so that the folder is complete after a power loss. Content
    that is cheap to generate again may skip that.
    """
    final = folder.parent / name
    if durable:
        for path in (*folder.rglob("*"), folder):
            sync(path)
    try:
        folder.rename(final)
    except OSError:
        # Another process may have published the same content first.
        if not final.is_dir():
            raise
    if durable:
        sync(final.parent)
    return final


def remove_abandoned(root: Path) -> list[Path]:
    """Remove the folders of killed writers, but not those of running ones."""
    removed = []
    for folder in sorted(root.glob(f"{PREFIX}*")):
        writer = folder.name.removeprefix(PREFIX).split("-")[0]
        if writer.isdecimal() and not _lives(int(writer)):
            # Another process may remove folders at the same time; the second one has nothing to do.
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                removed.append(folder)
    return removed


def sync(path: Path) -> None:
    """Send a file or a folder's entries to the disk."""
    if sys.platform == "win32":
        return  # Windows cannot open a folder, and journals renames by itself.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # Signal 0 would interrupt a process on Windows.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # Another user's process, or an invalid process id: leave it alone.
    return True
