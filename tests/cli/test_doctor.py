"""`doctor`: it says what is missing, also when what is missing is half of the installation."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import started, until
from tests.cli.conftest import Ask, Said
from tidemill.cli import doctor
from tidemill.cli.main import main
from tidemill.web.address import bind
from tidemill.workspace.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace without any model."""
    Workspace(tmp_path / "home").create().close()
    return tmp_path / "home"


@pytest.fixture
def look(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `doctor --json`: its exit code, and what it said about each part."""

    def run(*words: str) -> tuple[int, dict[str, tuple[bool, str]]]:
        line = ["tidemill", "doctor", "--home", str(home), "--json", *words]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as left:
            main()
        findings = json.loads(capsys.readouterr().out)["findings"]
        code = left.value.code or 0
        assert isinstance(code, int)
        return code, {row["name"]: (row["fine"], row["sentence"]) for row in findings}

    monkeypatch.setenv("TIDEMILL_PORT", "0")
    return run


def test_all_is_well(look: Any) -> None:
    code, findings = look()
    assert (code, [name for name, (fine, _) in findings.items() if not fine]) == (0, [])
    assert findings["ledger"][1] == "schema is current. There is no champion yet."


def test_a_port_in_use(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with bind("127.0.0.1", 0) as taken:
        monkeypatch.setenv("TIDEMILL_PORT", str(taken.getsockname()[1]))
        code, findings = look()
    assert code == 4
    assert "is in use" in findings["port"][1]
    assert findings["ledger"][0]


def test_the_port_of_the_workspaces_own_server(
    beach: Path, tmp_path: Path, tell: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that answers nobody without a key."""
    secret = tell("keys", "create", "ana", "--json").body["secret"]
    with started("serve", "--port", "0", home=beach, TIDEMILL_PUBLIC_SCOPES="") as server:
        port = until(server, r"listens on http://127\.0\.0\.1:(\d+)").group(1)
        monkeypatch.setenv("TIDEMILL_PORT", port)
        assert "is in use" in sentence_on_port(tell("doctor", "--json"))
        monkeypatch.setenv("TIDEMILL_KEY", secret)
        own = tell("doctor", "--json")
        other = tell("doctor", "--home", str(tmp_path / "other"), "--json")
    assert (own.code, sentence_on_port(own)) == (
        0,
        f"127.0.0.1:{port} is taken by the server of this workspace",
    )
    assert other.code == 4
    assert "is taken by a Tidemill server of another workspace" in sentence_on_port(other)


def sentence_on_port(result: Said) -> str:
    [sentence] = [row["sentence"] for row in result.body["findings"] if row["name"] == "port"]
    return str(sentence)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"no JSON", b'{"server": "s"}'])
def test_the_port_of_another_web_server(
    look: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("TIDEMILL_PORT", str(server.server_port))
        code, findings = look()
        server.shutdown()
    assert code == 4
    assert "is in use" in findings["port"][1]


def test_the_error_stands_on_a_line_of_its_own(home: Path) -> None:
    """Where stdout and stderr are one file, as on a terminal."""
    with bind("127.0.0.1", 0) as taken:
        result = subprocess.run(
            [sys.executable, "-m", "tidemill", "doctor", "--home", str(home)],
            env={**os.environ, "TIDEMILL_PORT": str(taken.getsockname()[1]), "COLUMNS": "30"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    *findings, error, hint = result.stdout.splitlines()
    assert [line.split()[:2] for line in findings] == [
        *(["ok", f"{name}:"] for name in ("python", "serving", "training", "workspace", "ledger")),
        ["bad", "port:"],
    ]
    assert (error, hint) == ("error: Not in order: port.", "hint: The lines above say why.")


def test_an_old_schema_and_its_upgrade(look: Any, home: Path) -> None:
    with sqlite3.connect(home / "ledger.sqlite") as db:
        [[current]] = db.execute("SELECT version_num FROM alembic_version").fetchall()
        db.execute("UPDATE alembic_version SET version_num = 'older'")
    code, findings = look()
    assert (code, findings["ledger"][0]) == (4, False)
    assert "has schema older" in findings["ledger"][1]
    with sqlite3.connect(home / "ledger.sqlite") as db:
        db.execute("UPDATE alembic_version SET version_num = ?", [current])
    db.close()
    assert look("--upgrade")[0] == 0


def lacking(package: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of an installation that lacks a package."""
    script = (
        f"import sys\nsys.modules[{package!r}] = None\nsys.argv = {['tidemill', *words]!r}\n"
        "from tidemill.cli.main import main\nmain()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("package", "part"), [("alembic", "training"), ("torch", "training"), ("fastapi", "serving")]
)
def test_a_missing_package_is_named(home: Path, package: str, part: str) -> None:
    result = lacking(package, "doctor", "--home", str(home), "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)["findings"]}
    assert (result.returncode, rows[part]["fine"], rows["workspace"]["fine"]) == (4, False, True)
    assert f"{package} not installed. pip install 'tidemill[" in rows[part]["sentence"]
    assert rows["ledger"]["sentence"] == f"Nobody can look without {package}."
    shown = lacking(package, "doctor", "--home", str(home))
    assert shown.returncode == 4
    assert f"{package} not installed" in shown.stdout


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("hydra", ["config", "coffee"]),
        ("torch", ["train", "coffee"]),
        ("pyarrow", ["data", "list"]),
        ("fastapi", ["serve"]),
        ("uvicorn", ["serve"]),
        ("sqlalchemy", ["models", "list"]),
    ],
)
def test_a_command_says_what_it_lacks(home: Path, package: str, words: list[str]) -> None:
    result = lacking(package, *words, "--home", str(home), "--json")
    check_lack(result, package)


def test_a_new_workspace_needs_the_migrations(tmp_path: Path) -> None:
    result = lacking("alembic", "doctor", "--upgrade", "--home", str(tmp_path / "new"), "--json")
    check_lack(result, "alembic")


def check_lack(result: subprocess.CompletedProcess[str], package: str) -> None:
    assert result.returncode == 4, result.stderr
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "unavailable"
    assert package in error["message"]
    assert error["hint"] == "pip install 'tidemill[train]'"
    assert "Traceback" not in result.stderr


def test_every_package_of_an_extra_is_looked_for() -> None:
    """Both ways: what pyproject.toml names is looked for, and nothing else is."""
    modules: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            modules.setdefault(plain(name), set()).add(module)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, looked_for in {"serve": doctor.SERVING, "train": doctor.TRAINING}.items():
        named = {
            plain(re.split(r"[^\w.-]", line)[0])
            for line in project["optional-dependencies"][extra]
            if "sys_platform" not in line
        } - {"tidemill"}
        assert [name for name in sorted(named) if not modules[name] & set(looked_for)] == []
        known = set().union(*(modules[name] for name in named))
        assert [name for name in looked_for if name not in known] == []


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
