"""Train, serve and ask in an empty home folder. Does anything call out or leave traces of itself?

A library underneath writes a device id into ~/.cache and looks up a name on the internet. Where
strace is installed, every attempt to reach another machine is counted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cases.commands import environment
from tests.cases.names import SMALL_PLANS, argv
from tests.cases.server import ask, wait_until
from tests.cases.verdict import require

OUTWARD = re.compile(r"sin6?_port=htons\(53\)|inet_addr\(\"(?!127\.)[0-9.]+\"\)")
TRACED = "trace=connect,sendto,sendmmsg"
CHANGES = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
"""What a person's environment does not have, and what would move the traces."""
PATIENCE = 6
"""Seconds in which a library that calls out has done so."""


def command(trace: Path, *words: str) -> Sequence[str]:
    """A command of the product, under strace where that is installed."""
    strace = shutil.which("strace")
    traced = [strace, "-f", "-e", TRACED, "-o", str(trace)] if strace else []
    return [*traced, *argv(*words)]


def serve_and_ask(words: Sequence[str], env: dict[str, str]) -> None:
    with subprocess.Popen(
        words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin
        assert server.stdout
        try:
            port = int(json.loads(server.stdout.readline())["url"].rpartition(":")[2])
            assert wait_until(lambda: ask(port, "/v1/ready").status == 200, 60)
            assert ask(port, "/v1/predict", b'{"text": "profit rose"}').status == 200
            time.sleep(PATIENCE)
        finally:
            server.stdin.close()  # It ends with its parent, which this process is.


def test_nothing_calls_out_or_leaves_traces(tmp_path: Path, home: Path) -> None:
    person = tmp_path / "person"
    person.mkdir()
    env = environment(HOME=str(person), TIDEMILL_HOME=str(home))
    env = {name: value for name, value in env.items() if name not in CHANGES}
    train = ("train", "sentiment", *SMALL_PLANS["sentiment"], "--promote")
    trained = subprocess.run(
        command(tmp_path / "train.trace", *train), env=env, check=False, capture_output=True
    )
    assert trained.returncode == 0, trained.stderr
    serve = ("serve", "--port", "0", "--json", "--with-parent")
    serve_and_ask(command(tmp_path / "serve.trace", *serve), env)
    traces = [path.read_text(errors="replace") for path in tmp_path.glob("*.trace")]
    outward = [line for trace in traces for line in trace.splitlines() if OUTWARD.search(line)]
    files = sorted({path.name for path in person.rglob("*") if path.is_file()})
    left = [name for name in files if "deviceid" in name or "onnxruntime" in name]
    require(
        not outward and not left,
        f"{len(outward)} attempts to reach another machine"
        f"{'' if traces else ' (not looked at: no strace)'}, and in ~ lie"
        f" {', '.join(left) or 'no traces'}",
    )
