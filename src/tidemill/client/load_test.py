"""Load a server with Locust, which runs in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tidemill.client.load_mix import LoadMix, payload_mix, recipe_mix
from tidemill.client.load_report import LoadReport, build_load_report, read_objective
from tidemill.domain.errors import DataError, TidemillError, Unavailable, UsageError
from tidemill.domain.hosts import reaches_this_machine
from tidemill.learn.progress import SILENT, Progress

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
RAMP = (1 / 8, 1 / 4, 1 / 2)
"""The shares of the users in the steps before the last one."""
STEP_SHARE = 1 / 8
"""The share of the time of each such step; the rest is measured with all users."""
MIN_STEP_S = 2.0
"""Locust changes the number of users once a second."""
PATIENCE_S = 60.0
"""The longest time that Locust may need beyond its plan."""
LOOK_S = 0.2


def plan_steps(users: int, seconds: float) -> list[tuple[int, float]]:
    """Return the numbers of users and how long each stays; the last is all of them.

    A time that is too short for steps has all users from the beginning.
    """
    short = seconds * STEP_SHARE
    shares = RAMP if short >= MIN_STEP_S else ()
    ramp = sorted({n for share in shares if (n := round(users * share)) >= 1} - {users})
    return [*((n, short) for n in ramp), (users, seconds - short * len(ramp))]


def choose_mix(url: str, payloads: Sequence[Path] = ()) -> LoadMix:
    """Return users that send these files, or those of the recipe that the server names.

    Raises UsageError for a recipe without known users, Unavailable for a server that is none.
    """
    if payloads:
        return payload_mix(payloads)
    try:
        with httpx.Client(trust_env=not _is_here(url)) as http:
            recipe = http.get(f"{url.rstrip('/')}/v1/info").raise_for_status().json()["recipe"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"{url} does not say which recipe it serves: {type(error).__name__}.",
            hint="Is it a Tidemill server? For any other one, name a locustfile.",
        ) from error
    return recipe_mix(str(recipe))


def run_load_test(
    url: str,
    *,
    users: int = 50,
    seconds: float = 60.0,
    slo: Sequence[str] = ("failures<=0%",),
    payloads: Sequence[Path] = (),
    locustfile: Path | None = None,
    pause: bool = True,
    key: str = "",
    html: Path | None = None,
    progress: Progress = SILENT,
) -> LoadReport:
    """Load the server with more and more users, and judge the last step by its objectives.

    The users are those of the original system of the server's recipe, or send `payloads`, or are
    the classes of a `locustfile`. `pause=False` leaves out their pauses. `slo` has objectives such
    as `p95<=300ms`. `html` gets Locust's own report. Raises Unavailable without Locust and for a
    server that is none, UsageError for a malformed argument, DataError when no request was sent.
    """
    objectives = [read_objective(text) for text in slo]
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address.", hint="Write http://HOST:PORT.")
    if locustfile is not None and not locustfile.is_file():
        raise UsageError(f"There is no file {locustfile}.")
    locust = find_locust()
    mix = LoadMix(()) if locustfile else choose_mix(url, payloads)
    steps = plan_steps(users, seconds)
    with tempfile.TemporaryDirectory(prefix="tidemill-load-") as folder:
        results, log = Path(folder) / "results.jsonl", Path(folder) / "locust.log"
        results.touch()
        plan = {
            "results": str(results),
            "steps": steps,
            "tasks": [task.to_json() for task in mix.tasks],
            "pause": mix.pause if pause else (0.0, 0.0),
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
        }
        plan_file = Path(folder) / "plan.json"
        plan_file.write_text(json.dumps(plan), encoding="utf-8")
        files = ",".join(str(file) for file in (LOCUSTFILE, locustfile) if file)
        words = [*locust, "-f", files, "--headless", "--host", url.rstrip("/"), "--only-summary"]
        words += ["--loglevel", "WARNING", "--exit-code-on-error", "0"]
        words += ["--html", str(html.absolute())] if html else []
        environment = _environment(url) | {"TIDEMILL_LOAD_PLAN": str(plan_file)}
        code = _run(words, environment, log, seconds, progress)
        if code:
            tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise UsageError(
                f"Locust ended with exit code {code}: {''.join(tail)}",
                hint="Does the locustfile run by itself?",
            )
        report = build_load_report(url, _records(results), objectives)
    if not report.steps or not any(step.requests for step in report.steps):
        raise DataError(
            "No request was sent.", hint="Give more time, or shorten the pauses (--no-pause)."
        )
    return report


def find_locust() -> list[str]:
    """Return the command of Locust: of this environment, or on the path. Raises Unavailable."""
    if find_spec("locust") is not None:
        return [sys.executable, "-m", "locust"]
    if command := shutil.which("locust"):
        return [command]
    raise Unavailable(
        "Locust, which sends the requests, is not installed.",
        hint="pip install 'tidemill[load]', or pipx install locust.",
    )


def _environment(url: str) -> dict[str, str]:
    """Return this process's environment; a proxy does not reach a server of this machine."""
    own = dict(os.environ)
    if _is_here(url):
        own["NO_PROXY"] = own["no_proxy"] = "*"
    # Locust reads variables of its own, which would change the plan.
    return {name: value for name, value in own.items() if not name.startswith("LOCUST_")}


def _is_here(url: str) -> bool:
    return reaches_this_machine(urlsplit(url).hostname or "")


def _run(
    words: Sequence[str], environment: Mapping[str, str], log: Path, seconds: float, show: Progress
) -> int:
    """Run Locust to its end, at most PATIENCE_S longer than planned. Returns its exit code."""
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env=dict(environment))
        try:
            while True:
                try:
                    return process.wait(LOOK_S)
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - begun
                    show.step(min(int(elapsed), int(seconds)), int(seconds))
                    if elapsed > seconds + PATIENCE_S:
                        raise TidemillError("Locust did not end in time.") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _records(results: Path) -> Iterator[Sequence[Any]]:
    with results.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
