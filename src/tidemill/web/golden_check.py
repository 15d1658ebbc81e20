"""Proving a version: its golden samples, asked over HTTP of the very app that will answer.

Nothing here knows how an answer is made. It asks as a client asks, reads the response as a client
reads it, and compares with what the bundle says must come out. So a label table that was turned
round anywhere on the way, in the server or in a recipe's routes, keeps the version from being
served. The first fault ends a proof: one is enough, and every question is a row in the log.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import httpx
from starlette.types import ASGIApp

from tidemill.bundle import TOLERANCE, Golden
from tidemill.domain.errors import Unavailable
from tidemill.recipes.routes import Probe, Said
from tidemill.web import predict
from tidemill.web.answerer import asking
from tidemill.web.golden_comparison import compare
from tidemill.web.slots import Slot

Way = tuple[str, str]
"""Method and path of a request."""

OWN: Way = ("POST", predict.PATH)
TOGETHER = 2
"""Requests of a proof under way at once: enough to be quick, few for live ones to wait behind."""


class Prover:
    """Asks every golden sample of a slot on every path. Called from a thread with no loop."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most
        # Given once the recipe has built its routes, which need the slots, which need this.
        self.probes: Sequence[Probe] = ()

    @property
    def asked(self) -> frozenset[Way]:
        """Every way that a proof asks: what answers there is proved, and nothing else is."""
        return frozenset({OWN, *((probe.method, probe.path) for probe in self.probes)})

    def __call__(self, slot: Slot) -> str:
        """What is wrong with this slot, as a sentence; empty when it may serve.

        Raises Unavailable when the server could not answer just now (503), which tells nothing
        about the slot.
        """
        bundle = slot.predictor.bundle
        if not bundle.golden:
            return "the bundle has no golden samples, so nothing can be proved"
        return asyncio.run(self._ask(slot, bundle.golden))

    async def _ask(self, slot: Slot, golden: Sequence[Golden]) -> str:
        transport = httpx.ASGITransport(asking(self._app, slot), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://probe") as client:
            questions = self._questions(client, slot, golden)
            faults: list[str] = []

            async def ask() -> None:
                while not faults and (question := next(questions, None)):
                    if fault := await question:
                        faults.append(fault)

            await asyncio.gather(*(ask() for _ in range(TOGETHER)))
        return next(iter(faults), "")

    def _questions(
        self, client: httpx.AsyncClient, slot: Slot, golden: Sequence[Golden]
    ) -> Iterator[Coroutine[Any, Any, str]]:
        parts = [golden[at : at + self._most] for at in range(0, len(golden), self._most)]
        model = slot.predictor.codec.payload
        rows = {row.payload: model.from_bytes(row.payload).model_dump() for row in golden}

        def read(body: Any) -> list[list[Said]]:
            return own_answers(body, slot.version.id)

        yield _fault(client, predict.PATH, {"json": rows[golden[0].payload]}, read, golden[:1])
        for part in parts:
            listed = {"instances": [rows[sample.payload] for sample in part]}
            yield _fault(client, predict.PATH, {"json": listed}, read, part)
            files = [("file", ("golden", sample.payload)) for sample in part]
            yield _fault(client, predict.PATH, {"files": files}, read, part)
        for probe in self.probes:
            for sample in golden:
                payload = sample.payload
                if probe.alone is not None:
                    payload = probe.alone(slot.predictor.codec, payload)
                yield _fault(
                    client,
                    probe.path,
                    probe.request(payload),
                    partial(_one, probe),
                    [sample],
                    method=probe.method,
                    targets=probe.targets,
                )


def _one(probe: Probe, body: Any) -> list[Sequence[Said]]:
    return [probe.read(body)]


async def _fault(
    client: httpx.AsyncClient,
    path: str,
    request: Mapping[str, Any],
    read: Callable[[Any], Sequence[Sequence[Said]]],
    golden: Sequence[Golden],
    *,
    method: str = "POST",
    targets: Collection[str] | None = None,
) -> str:
    """Ask one request about `golden`, and say what is wrong with the response.

    It must show these targets, or all.
    """
    where = f"{method} {path} ({', '.join(request)})"
    response = await client.request(method, path, **request)
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Unavailable(f"{where} could not be asked: {response.text:.300}")
    if response.status_code != 200:
        return f"{where} answered a golden sample with {response.status_code}: {response.text:.300}"
    try:
        answers = read(response.json())
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"{where} gave an answer that cannot be read: {type(error).__name__}: {error}"
    if len(answers) != len(golden):
        return f"{where} answered {len(answers)} of {len(golden)} golden samples"
    for sample, said in zip(golden, answers, strict=True):
        if fault := compare(sample, said, targets):
            return f"{where} is wrong on a golden sample: {fault}"
    return ""


def own_answers(body: Any, version: str) -> list[list[Said]]:
    """What `/v1/predict` said, per payload. Raises ValueError when it contradicts itself."""
    said: dict[int, list[Said]] = defaultdict(list)
    for entry in body["predictions"]:
        if entry["version"] != version:
            raise ValueError(f"{entry['version']} answered in place of {version}")
        if not abs(entry["confidence"] - entry["probabilities"][entry["label"]]) <= TOLERANCE:
            raise ValueError("the confidence is not the probability of the label")
        said[entry["index"]].append((entry["target"], entry["label"], entry["probabilities"]))
    return [said[index] for index in range(len(said))]
