"""A real PostgreSQL, which lives in a temporary folder for as long as it is needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

DEBIAN = Path("/usr/lib/postgresql")
USER, PASSWORD = "ann", "hush"
ZONE = "Europe/Berlin"
"""The zone of the sessions, in which one hour of each autumn comes twice."""


@dataclass(frozen=True)
class Postgres:
    """A server behind a socket in `folder`; its one user needs the password."""

    folder: Path
    process: subprocess.Popen[str]

    def address(self, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@/postgres?host={self.folder}"

    def run(self, statement: LiteralString, *rows: tuple[Any, ...]) -> None:
        """Run a statement, once with each of the rows, or once without any."""
        with psycopg.connect(self.address()) as connection, connection.cursor() as cursor:
            if rows:
                cursor.executemany(statement, rows)
            else:
                cursor.execute(statement)

    def ask(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with psycopg.connect(self.address()) as connection:
            return connection.execute(statement).fetchall()


@contextmanager
def running() -> Iterator[Postgres]:
    """A server with an empty database. Skips the test where PostgreSQL is not installed."""
    places = [os.environ.get("PATH", ""), *map(str, sorted(DEBIAN.glob("*/bin"), reverse=True))]
    initdb = shutil.which("initdb", path=os.pathsep.join(places))
    if initdb is None:
        pytest.skip("needs the programs initdb and postgres of PostgreSQL")
    # A socket's path has no room for the folders that pytest makes.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder, data = Path(name), Path(name) / "data"
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        owner = _owner(folder)
        words = [
            initdb,
            "-D",
            str(data),
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(
            [*words, f"--pwfile={folder / 'password'}"], check=True, capture_output=True, **owner
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": name,
            "timezone": ZONE,
            "fsync": "off",
            "lc_messages": "C",
        }
        words = [str(Path(initdb).with_name("postgres")), "-D", str(data)]
        chosen = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with subprocess.Popen([*words, *chosen], stderr=subprocess.PIPE, text=True, **owner) as one:
            try:
                assert one.stderr is not None
                notice = next((line for line in one.stderr if "ready to accept" in line), "")
                assert notice, "the server ended before it was ready"
                yield Postgres(folder, one)
            finally:
                one.send_signal(signal.SIGQUIT)


def _owner(folder: Path) -> dict[str, Any]:
    """Whose processes these are, and the folder: the server refuses to run as root."""
    if os.getuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("root cannot run PostgreSQL, and there is no user `postgres`")
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": folder}
