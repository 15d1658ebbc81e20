"""The golden check: sends a version's golden samples over HTTP through the app that will serve it.

The check sends requests as a client does, reads the responses as a client does, and compares them
with the values in the bundle. A label table in the wrong order, in the server or in a recipe's
routes, keeps the version from serving. The check stops at the first fault: one is enough, and every
request is a row in the traffic log.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
from starlette.types import ASGIApp

from tidemill.bundle import TOLERANCE, Golden
from tidemill.domain.errors import TimedOut, Unavailable
from tidemill.recipes.routes import GoldenRequest, ShownAnswer, ShownProbabilities, TopLabels
from tidemill.web import predict
from tidemill.web.recipe_server import MethodPath
from tidemill.web.request_context import pin_slot
from tidemill.web.slots import Slot

PREDICT_ROUTE: MethodPath = ("POST", predict.PATH)
MAX_PARALLEL_REQUESTS = 8
"""Requests of one check in flight: few for live requests to wait behind, and enough to get on.

Under load a check gets as large a share of the server as its share of the requests in flight.
"""


DEADLINE_S = 60.0
"""How long one check may take. A version that takes longer is tried again later."""


@dataclass(frozen=True, slots=True)
class ManyGoldenRequest:
    """How to send many golden payloads to a route in one request, and how to read the answers.

    For a route of the server itself. It gets one sample for each combination of labels, because
    each further one makes every promotion slower.
    """

    path: str
    build_request: Callable[[Sequence[bytes]], Mapping[str, Any]]
    read_answers: Callable[[Any], Sequence[Sequence[ShownAnswer]]]


class GoldenChecker:
    """Sends every golden sample of a slot to every route. Call it from a thread with no loop."""

    def __init__(self, app: ASGIApp, *, max_payloads: int, deadline_s: float = DEADLINE_S) -> None:
        self._app = app
        self._deadline_s = deadline_s
        self._stopped = False
        self._ending: tuple[asyncio.AbstractEventLoop, asyncio.Task[str]] | None = None
        self._max_payloads = max_payloads
        # Set after the recipe has built its routes: they need the slots, which need this object.
        self.golden_requests: Sequence[GoldenRequest] = ()
        self.many_requests: Sequence[ManyGoldenRequest] = ()

    @property
    def checked_routes(self) -> frozenset[MethodPath]:
        """Every method and path that the check asks. Only these get predictions."""
        recipe_routes = ((request.method, request.path) for request in self.golden_requests)
        own_routes = (("POST", request.path) for request in self.many_requests)
        return frozenset({PREDICT_ROUTE, *own_routes, *recipe_routes})

    def __call__(self, slot: Slot) -> str:
        """Return what is wrong with this slot, as a sentence; empty when it may serve.

        Raises Unavailable when the server cannot answer now (503), which says nothing about the
        slot, and TimedOut after the deadline.
        """
        bundle = slot.predictor.bundle
        if not bundle.golden:
            return "the bundle has no golden samples, so nothing can be checked"
        return asyncio.run(self._check_in_time(slot, bundle.golden))

    def stop(self) -> None:
        """End the check in progress; it raises Unavailable. Any thread may call this."""
        self._stopped = True
        with suppress(RuntimeError):  # its loop may be over by now
            if self._ending is not None:
                loop, task = self._ending
                loop.call_soon_threadsafe(task.cancel)

    async def _check_in_time(self, slot: Slot, golden: Sequence[Golden]) -> str:
        task = asyncio.create_task(self._check(slot, golden))
        self._ending = asyncio.get_running_loop(), task
        if self._stopped:
            task.cancel()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await task
        except TimeoutError as error:
            raise TimedOut(
                f"The golden check was not over after {self._deadline_s:g} s."
            ) from error
        except asyncio.CancelledError as error:
            raise Unavailable("The server is stopping.") from error
        finally:
            self._ending = None

    async def _check(self, slot: Slot, golden: Sequence[Golden]) -> str:
        transport = httpx.ASGITransport(pin_slot(self._app, slot), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://golden") as client:
            requests = self._requests(client, slot, golden)
            faults: list[str] = []

            async def send_requests() -> None:
                while not faults and (request := next(requests, None)):
                    if fault := await request:
                        faults.append(fault)

            await asyncio.gather(*(send_requests() for _ in range(MAX_PARALLEL_REQUESTS)))
        return next(iter(faults), "")

    def _requests(
        self, client: httpx.AsyncClient, slot: Slot, golden: Sequence[Golden]
    ) -> Iterator[Coroutine[Any, Any, str]]:
        size = self._max_payloads
        parts = [golden[start : start + size] for start in range(0, len(golden), size)]
        model = slot.predictor.codec.payload
        rows = {row.payload: model.from_bytes(row.payload).model_dump() for row in golden}

        def read(body: Any) -> list[list[ShownAnswer]]:
            return read_predict_body(body, slot.version.id)

        yield _find_fault(client, predict.PATH, {"json": rows[golden[0].payload]}, read, golden[:1])
        for part in parts:
            instances = {"instances": [rows[sample.payload] for sample in part]}
            yield _find_fault(client, predict.PATH, {"json": instances}, read, part)
            files = [("file", ("golden", sample.payload)) for sample in part]
            yield _find_fault(client, predict.PATH, {"files": files}, read, part)
        # One sample for each combination of labels shows each row of a label table.
        distinct = [*{tuple(row.labels.items()): row for row in reversed(golden)}.values()][:size]
        for many in self.many_requests:
            request = many.build_request([sample.payload for sample in distinct])
            yield _find_fault(client, many.path, request, many.read_answers, distinct)
        for single in self.golden_requests:
            for sample in golden:
                payload = sample.payload
                if single.expand is not None:
                    payload = single.expand(slot.predictor.codec, payload)
                yield _find_fault(
                    client,
                    single.path,
                    single.build_request(payload),
                    partial(_read_single, single),
                    [sample],
                    method=single.method,
                    targets=single.targets,
                )


def _read_single(request: GoldenRequest, body: Any) -> list[Sequence[ShownAnswer]]:
    return [request.read_answers(body)]


async def _find_fault(
    client: httpx.AsyncClient,
    path: str,
    request: Mapping[str, Any],
    read: Callable[[Any], Sequence[Sequence[ShownAnswer]]],
    golden: Sequence[Golden],
    *,
    method: str = "POST",
    targets: Collection[str] | None = None,
) -> str:
    """Send one request with `golden`, and return what is wrong with the response.

    The response must show these targets; None means all.
    """
    route = f"{method} {path} ({', '.join(request)})"
    response = await client.request(method, path, **request)
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Unavailable(f"{route} is unavailable: {response.text:.300}")
    if response.status_code == httpx.codes.GATEWAY_TIMEOUT:
        raise TimedOut(f"{route} took too long: {response.text:.300}")
    if response.status_code != 200:
        return f"{route} answered a golden sample with {response.status_code}: {response.text:.300}"
    try:
        answers = read(response.json())
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"{route} gave an answer that cannot be read: {type(error).__name__}: {error}"
    if len(answers) != len(golden):
        return f"{route} answered {len(answers)} of {len(golden)} golden samples"
    for sample, shown in zip(golden, answers, strict=True):
        if fault := compare_answers(sample, shown, targets):
            return f"{route} is wrong on a golden sample: {fault}"
    return ""


def read_predict_body(body: Any, version: str) -> list[list[ShownAnswer]]:
    """Return the answers of `/v1/predict` per payload. Raises ValueError for a contradiction."""
    answers: dict[int, list[ShownAnswer]] = defaultdict(list)
    for entry in body["predictions"]:
        if entry["version"] != version:
            raise ValueError(f"{entry['version']} answered in place of {version}")
        if not abs(entry["confidence"] - entry["probabilities"][entry["label"]]) <= TOLERANCE:
            raise ValueError("the confidence is not the probability of the label")
        answers[entry["index"]].append((entry["target"], entry["label"], entry["probabilities"]))
    return [answers[index] for index in range(len(answers))]


def compare_answers(
    sample: Golden, answers: Sequence[ShownAnswer], targets: Collection[str] | None = None
) -> str:
    """Return what is wrong with the answers to a sample, as a sentence; empty when all are right.

    `targets` must have an answer; None means all targets of the sample.
    """
    required = set(sample.labels if targets is None else targets)
    if missing := required - {target for target, _, _ in answers}:
        return f"no answer for {', '.join(sorted(missing))}"
    for target, label, probabilities in answers:
        if target not in sample.labels:
            return f"an answer for {target!r}, which the model does not have"
        if fault := _answer_fault(sample, target, label, probabilities):
            return fault
    return ""


def _answer_fault(
    sample: Golden, target: str, label: str | int, probabilities: ShownProbabilities
) -> str:
    recorded = sample.probabilities[target]
    if isinstance(label, int):
        names = sorted(recorded)
        if not 0 <= label < len(names):
            return f"{target}: the label {label} of {len(names)}"
        label = names[label]
    if isinstance(probabilities, TopLabels):
        fault = sample.fault(target, label, recorded)
        return fault or _top_labels_fault(recorded, target, label, probabilities)
    # A route that shows the label's probability alone leaves the others without comparison.
    if not isinstance(probabilities, Mapping):
        probabilities = {**recorded, label: probabilities}
    return sample.fault(target, label, probabilities)


def _top_labels_fault(
    recorded: Mapping[str, float], target: str, label: str, top: TopLabels
) -> str:
    """Return what is wrong with the likeliest labels; equal ones may change places."""
    shown, count = dict(top.rows), min(top.limit, len(recorded))
    if not len(shown) == len(top.rows) == count or not shown.keys() <= recorded.keys():
        return f"{target}: {', '.join(shown) or 'nothing'} where {count} labels are expected"
    for name, probability in shown.items():
        gap = abs(recorded[name] - probability)
        if not gap <= TOLERANCE:  # not `gap > TOLERANCE`: NaN must be a fault too
            return f"{target}: probability of {name!r} is off by {gap:.2g} (at most {TOLERANCE})"
    hidden = max((recorded[name] for name in recorded.keys() - shown.keys()), default=0.0)
    falling = all(first >= second for first, second in pairwise(shown.values()))
    likeliest = not shown or (hidden <= min(shown.values()) + TOLERANCE)
    if not falling or not likeliest or (shown and top.rows[0][0] != label):
        return f"{target}: {', '.join(shown)} are not its likeliest labels in falling order"
    return ""
