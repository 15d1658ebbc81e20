"""One turn of one contestant: requests from the generator, answers held against the bare loop's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from bench.peers.contestants import Contestant
from bench.peers.generator import Plan, Result
from bench.peers.workloads import Workload
from bench.record import ROOT
from tidemill.bundle import TOLERANCE
from tidemill.domain.errors import TidemillError

LOG_SECONDS = re.compile(
    r'^tidemill_stage_duration_seconds_sum\{stage="log"\} (\S+)$', re.MULTILINE
)


def write_requests(contestant: Contestant, workload: Workload, scratch: Path) -> list[str]:
    """Write a contestant's request for each payload into files."""
    folder = scratch / contestant.name.replace(" ", "")
    folder.mkdir(exist_ok=True)
    files = [folder / str(number) for number, _ in enumerate(workload.payloads)]
    for file, payload in zip(files, workload.payloads, strict=True):
        file.write_bytes(contestant.dialect.request(workload.form, payload))
    return [str(file) for file in files]


def send(plan: Plan) -> Result:
    """Carry out a plan in a process of its own. Raises TidemillError when that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.peers.generator"],
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise TidemillError("The generator failed; the reason stands above.")
    return Result(**json.loads(done.stdout))


def count_differing(
    contestant: Contestant, result: Result, expected: Sequence[Mapping[str, Any]]
) -> int:
    """Return how many answers differ from the bare loop's: a probability by more than the
    tolerance, or the label, unless two labels are within the tolerance of each other.
    """
    answers = {int(at): contestant.dialect.read(body) for at, body in result.bodies.items()}
    return sum(differs(answer, expected[at]) for at, answer in answers.items())


def differs(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Return True when an answer is not the expected one."""
    ours, theirs = answer["probabilities"], expected["probabilities"]
    if set(ours) != set(theirs):
        return True
    if not all(abs(ours[name] - theirs[name]) <= TOLERANCE for name in theirs):
        return True
    return bool(theirs[expected["label"]] - theirs[answer["label"]] > TOLERANCE)


def read_log_seconds(port: int) -> float:
    """Return how long a Tidemill server has spent on its log since its start."""
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False)
    match = LOG_SECONDS.search(response.raise_for_status().text)
    if match is None:
        raise TidemillError("The server's metrics do not tell how long its log took.")
    return float(match[1])
