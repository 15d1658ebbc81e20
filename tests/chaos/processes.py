"""The processes of this machine, read from /proc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def children(parent: int, word: str) -> list[int]:
    """The living children of a process whose command line has this word."""
    return [
        pid
        for pid in _all()
        if _parent(pid) == parent and word.encode() in _read(pid, "cmdline").split(b"\0")
    ]


def naming(home: Path) -> list[int]:
    """The living processes whose environment names this folder as their workspace."""
    wanted = f"TIDEMILL_HOME={home}".encode()
    return [pid for pid in _all() if wanted in _read(pid, "environ").split(b"\0")]


def has_open(pid: int, path: Path) -> bool:
    """True when a process has this file open."""
    try:
        return any(entry.resolve() == path for entry in (PROC / str(pid) / "fd").iterdir())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _all() -> Iterator[int]:
    return (int(path.name) for path in PROC.iterdir() if path.name.isdecimal())


def _parent(pid: int) -> int:
    # The name, in brackets, may hold anything; what follows it are fields without blanks.
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields and fields[0] != b"Z" else 0


def _read(pid: int, name: str) -> bytes:
    """One file of a process; empty when it has ended or belongs to another user."""
    try:
        return (PROC / str(pid) / name).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
