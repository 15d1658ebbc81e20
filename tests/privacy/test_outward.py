"""Nothing leaves the machine, and nothing is left in the home folder of the person."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from tests.privacy.guard import Guard, find_outward
from tidemill.adapters.child_process import argv

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PATIENCE_S = 25.0
"""ONNX Runtime looks its vendor's host up 3 to 20 seconds after its import."""

REFUSE = """
import os, sys

def refuse(event, arguments):
    if event == "import" and arguments[0] == "onnxruntime":
        if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
            raise ImportError("onnxruntime is imported before its telemetry is off")

sys.addaudithook(refuse)
"""


def imports_runtime(path: Path) -> bool:
    """True for a file that imports ONNX Runtime itself."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return any(name.partition(".")[0] == "onnxruntime" for name in names)


def import_guarded(statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in a new process that refuses the import with telemetry on."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    return subprocess.run(
        [sys.executable, "-c", f"{REFUSE}\n{statement}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guard_refuses_an_import_with_telemetry() -> None:
    done = import_guarded("import onnxruntime")
    assert "onnxruntime is imported before its telemetry is off" in done.stderr


@pytest.mark.train_extra
def test_telemetry_is_off_before_each_import_of_the_runtime() -> None:
    modules = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for path in SOURCES
        if imports_runtime(path)
    ]
    assert "tidemill.adapters.onnx" in modules
    for together in ("tidemill.adapters.onnx", ", ".join(modules)):
        done = import_guarded(f"import {together}")
        assert done.returncode == 0, done.stderr


def test_no_file_turns_telemetry_on_again() -> None:
    # The peers' processes do not import tidemill, so they have it off by themselves.
    peers = {"bench/peers/contestants.py", "bench/peers/peer_model.py"}
    known = {"src/tidemill/__init__.py", *peers}
    named = {
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "bench", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if "ORT_DISABLE_TELEMETRY" in path.read_text(encoding="utf-8")
    }
    assert named == known


REACH_OUT = """
import contextlib, pathlib, socket
with contextlib.suppress(OSError):  # no route
    # A datagram socket sends nothing when it is connected.
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname())
(pathlib.Path.home() / "trace").touch()
"""


@pytest.fixture(params=[True, False], ids=["strace", "audit"])
def guard(request: pytest.FixtureRequest, tmp_path: Path) -> Guard:
    """A guard of each kind."""
    if request.param and not shutil.which("strace"):
        pytest.skip("strace is not installed")
    return Guard(tmp_path, strace=request.param)


def test_each_guard_sees_who_reaches_out(guard: Guard) -> None:
    environment = guard.environment(dict(os.environ))
    for name, code, outward, files in (("still", "", 0, []), ("loud", REACH_OUT, 1, ["trace"])):
        words = guard.command(name, [sys.executable, "-c", code])
        subprocess.run(words, env=environment, check=True)
        assert len(guard.outward()) == outward, guard.outward()
        assert guard.files() == files


def test_the_trace_is_read_as_strace_writes_it() -> None:
    outward = [
        'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16)',
        'sendto(3, ""..., 9, 0, {sa_family=AF_INET, sin_port=htons(443),'
        ' sin_addr=inet_addr("192.0.2.1")}, 16) = 9',
        "connect(3, {sa_family=AF_INET6, sin6_port=htons(443),"
        ' inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28)',
    ]
    inward = [
        'connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16)',
        'connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT',
        "connect(3, {sa_family=AF_INET6, sin6_port=htons(80),"
        ' inet_pton(AF_INET6, "::1", &sin6_addr)}, 28)',
    ]
    assert find_outward([*outward, *inward]) == outward


PLAN = (
    "data.train=300",
    "data.val=60",
    "data.test=100",
    "train.epochs=2",
    "gate.floor=0.3",
)


@pytest.mark.slow
def test_training_serving_and_prediction_reach_nobody(tmp_path: Path) -> None:
    guard, workspace = Guard(tmp_path), tmp_path / "workspace"
    own = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMILL_")}
    environment = guard.environment(own | {"TIDEMILL_HOME": str(workspace)})

    def run(name: str, *words: str) -> None:
        command = guard.command(name, argv(*words))
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr

    run("train", "train", "sentiment", *PLAN, "--promote")
    text = tmp_path / "headline.txt"
    text.write_text("profit rose by a third", encoding="utf-8")
    serve = guard.command("serve", argv("serve", "--port", "0", "--json", "--with-parent"))
    with subprocess.Popen(
        serve, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as server:
        assert server.stdin
        assert server.stdout
        assert server.stdout.readline()
        run("predict", "predict", str(text))
        Event().wait(PATIENCE_S)  # the one way to see that nothing comes later
        server.stdin.close()
    assert guard.outward() == []
    assert guard.files() == []
