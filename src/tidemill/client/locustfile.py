"""The side of a load test that runs inside Locust, in a process of its own.

It imports Locust and the standard library only, because Locust may be installed elsewhere. The plan
comes in a file that TIDEMILL_LOAD_PLAN names. Every request goes out as a line of the file
`results` of the plan: kind, start, milliseconds, name, error.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, between, events, task

PLAN = json.loads(Path(os.environ["TIDEMILL_LOAD_PLAN"]).read_text(encoding="utf-8"))
RESULTS = Path(PLAN["results"]).open("a", encoding="utf-8", buffering=1 << 16)  # noqa: SIM115


def _write(*fields: object) -> None:
    RESULTS.write(json.dumps(fields) + "\n")


@events.request.add_listener
def _record(
    request_type: str,
    name: str,
    response_time: float,
    exception: Exception | None,
    start_time: float | None = None,
    **_: object,
) -> None:
    begun = time.time() - response_time / 1000 if start_time is None else start_time
    _write("request", begun, response_time, f"{request_type} {name}", str(exception or ""))


@events.quitting.add_listener
def _close(**_: object) -> None:
    RESULTS.close()


class Steps(LoadTestShape):
    """The numbers of users of the plan, one after the other."""

    step = -1

    def tick(self) -> tuple[int, float] | None:
        """Return the users of this moment; None ends the test."""
        elapsed = self.get_run_time()
        for at, (users, seconds) in enumerate(PLAN["steps"]):
            if elapsed < seconds:
                if at != self.step:
                    self.step = at
                    _write("step", time.time(), users)
                    RESULTS.flush()
                return users, users
            elapsed -= seconds
        _write("end", time.time())
        RESULTS.flush()
        return None


def _task(spec: dict[str, Any]) -> Any:
    bodies = [base64.b64decode(body) for body in spec["bodies"]]
    name = spec["path"].partition("?")[0]

    @task(spec["weight"])
    def send(user: FastHttpUser) -> None:
        user.client.request(
            spec["method"],
            spec["path"],
            name=name,
            data=random.choice(bodies) or None,
            headers=spec["headers"] | PLAN["headers"],
        )

    return send


if PLAN["tasks"]:

    class Client(FastHttpUser):
        """A user of the plan's tasks."""

        wait_time = between(*PLAN["pause"])
        tasks = [  # noqa: RUF012 - Locust reads it from the class
            each for spec in PLAN["tasks"] for each in [_task(spec)] * spec["weight"]
        ]
