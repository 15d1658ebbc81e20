"""Commands of the product as processes, each in an environment without settings of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cases.names import SMALL_PLANS, argv

DATA_REFUSALS = ("bad_payload", "corrupt", "data", "data_refused")
"""Codes of the errors with which a command may refuse what a person brings."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it wrote."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout: a result, or an error."""
        body: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return body

    @property
    def error(self) -> dict[str, Any]:
        """The error, empty where there is none."""
        error: dict[str, Any] = self.body.get("error", {})
        return error

    @property
    def error_words(self) -> str:
        """Message and hint of the error, empty where there is none."""
        return f"{self.error.get('message', '')} {self.error.get('hint') or ''}".strip()


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, of the product's settings only these."""
    clean = {name: v for name, v in os.environ.items() if not name.startswith("TIDEMILL_")}
    return {**clean, **settings}


def run(
    *words: str,
    home: Path,
    env: Mapping[str, str] | None = None,
    refusals: Collection[str] = DATA_REFUSALS,
) -> Outcome:
    """Run a command with `--json` over a workspace and wait for its end.

    It may succeed or end with an error whose code is one of `refusals`. Anything else is a fault
    of the case or of the product that no case expects, and fails the test.
    """
    done = subprocess.run(
        argv(*words, "--home", str(home), "--json"),
        env=environment() if env is None else dict(env),
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
    )
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    description = f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stdout, description
    assert not outcome.error or outcome.error["code"] in refusals, description
    return outcome


def succeed(*words: str, home: Path, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command that has to succeed, as a step of the set-up, and return its JSON object."""
    outcome = run(*words, home=home, env=env, refusals=())
    assert outcome.exit_code == 0, f"{' '.join(words)}: {outcome.stdout}{outcome.stderr}"
    return outcome.body


@dataclass(frozen=True, slots=True)
class Cost:
    """The result of a command, processor seconds, and the most MB that it held."""

    body: dict[str, Any]
    seconds: float
    megabytes: float


METER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([usage.ru_utime, usage.ru_maxrss / 1024]))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A process as small as can be between this one and the command: a child is charged for the memory
of the process that started it."""


def measure(*words: str, home: Path) -> Cost:
    """Run a command that has to succeed, and measure it."""
    done = subprocess.run(
        [sys.executable, "-c", METER, *argv(*words, "--home", str(home), "--json")],
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    *_, body, figures = done.stdout.splitlines()
    return Cost(json.loads(body), *json.loads(figures))


def tick(home: Path) -> dict[str, Any]:
    """Let the engine drain, review and judge once; it begins nothing."""
    return succeed("loop", "tick", "trigger.autonomy=observe", home=home)


def train_small(recipe: str, home: Path, env: Mapping[str, str] | None = None) -> None:
    """Train and promote a champion on a few generated examples, in seconds."""
    succeed("train", recipe, *SMALL_PLANS[recipe], "--promote", home=home, env=env)


def exit_code(*words: str, env: Mapping[str, str]) -> int:
    """Run a command as a person does, without `--json`, and return how it ended."""
    done = subprocess.run(argv(*words), env=dict(env), check=False, capture_output=True)
    return done.returncode


def feedback_rows(home: Path) -> list[dict[str, Any]]:
    """All labels that a workspace was given, as the command lists them."""
    rows: list[dict[str, Any]] = succeed("feedback", "list", home=home)["feedback"]
    return rows
