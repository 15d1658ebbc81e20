"""Guards that see what a process asks of the network and which files it leaves behind.

`find_outward` reads a trace of strace: system calls of every thread and child, also those of
libraries in C. `AUDIT` is a file for `sitecustomize`, where strace is missing: it sees look-ups and
connections that Python code makes, and not those that a library in C makes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

OUTWARD = re.compile(
    r"sin6?_port=htons\(53\)"  # a look-up of a name, also one at a resolver on this machine
    r'|inet_addr\("(?!127\.)[0-9.]+"\)'
    r'|inet_pton\(AF_INET6, "(?!::1")[^"]+"'
)
TRACED = "trace=connect,sendto,sendmsg,sendmmsg"

AUDIT = """
import os, sys

def note(event, arguments):
    name = ""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        name = str(arguments[0])
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        name = str(address[0]) if isinstance(address, tuple) else ""
    if name and name not in ("localhost", "::1", "::") and not name.startswith(("127.", "0.0.0.0")):
        with open(os.environ["AUDIT_FILE"], "a") as file:
            file.write(f"{event} {name}\\n")

sys.addaudithook(note)
"""


class Guard:
    """Watches the commands of one test. `strace=False` takes the audit hook in any case."""

    def __init__(self, folder: Path, *, strace: bool | None = None) -> None:
        self.home = folder / "person"
        self.home.mkdir()
        self._folder = folder
        self._strace = bool(shutil.which("strace")) if strace is None else strace
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(AUDIT)
        self._audit = folder / "audit"

    def command(self, name: str, words: Sequence[str]) -> list[str]:
        """Return the command to start, under strace where that is used."""
        if not self._strace:
            return [*words]
        trace = self._folder / f"{name}.trace"
        return ["strace", "-f", "-s", "0", "-e", TRACED, "-o", str(trace), *words]

    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        """Return an environment with an empty home folder and without what moves caches."""
        values = {k: v for k, v in environment.items() if not k.startswith(("XDG_", "ORT_", "MPL"))}
        values |= {"HOME": str(self.home), "USERPROFILE": str(self.home)}
        if not self._strace:
            path = [str(self._folder / "site"), *filter(None, [values.get("PYTHONPATH")])]
            values |= {"PYTHONPATH": ":".join(path), "AUDIT_FILE": str(self._audit)}
        return values

    def outward(self) -> list[str]:
        """Return each attempt to look a name up or to reach another machine."""
        if self._strace:
            traces = list(self._folder.glob("*.trace"))
            assert traces, "no command ran under strace"
            return find_outward(line for path in traces for line in read_lines(path))
        return read_lines(self._audit) if self._audit.exists() else []

    def files(self) -> list[str]:
        """Return the files that lie in the home folder."""
        return sorted(
            str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()
        )


def find_outward(lines: Iterable[str]) -> list[str]:
    """Return the lines of a trace that show an attempt to reach out."""
    return [line for line in lines if OUTWARD.search(line)]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that may hold any bytes."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines()
