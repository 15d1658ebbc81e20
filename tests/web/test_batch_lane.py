"""Live requests and the golden check do not wait for each other, and no run lasts for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from tidemill.adapters.memory import MemoryTraffic
from tidemill.domain.errors import TimedOut, Unavailable
from tidemill.domain.ports import Runtime
from tidemill.predictor import Preprocessed
from tidemill.web import batch_lane
from tidemill.web.batch_lane import BatchLane
from tidemill.web.batch_size import BatchSize
from tidemill.web.batcher import Batcher
from tidemill.web.job import Job
from tidemill.web.reader import Reader
from tidemill.web.request_context import RequestContext
from tidemill.web.slots import Slot

ANY: Any = None
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class HangingRuntime:
    """Runs until it is ended."""

    alone = False

    def __init__(self, _: Runtime) -> None:
        self.entered, self.ended = threading.Event(), threading.Event()

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.entered.set()
        assert self.ended.wait(20)
        raise TimedOut("The run was ended.")

    def terminate(self) -> None:
        self.ended.set()


@pytest.fixture
def slots(workspace: Any) -> tuple[Slot, Slot]:
    """One that answers, and one that hangs."""
    version = workspace.register()
    sound = Slot(version, workspace.load(version))
    workspace.wrap = HangingRuntime
    return sound, Slot(version, workspace.load(version))


@pytest.fixture
def traffic() -> MemoryTraffic:
    return MemoryTraffic()


@pytest.fixture
def batcher(workspace: Any, traffic: MemoryTraffic) -> Iterator[Batcher]:
    reader = Reader()
    batcher = Batcher(
        server="s",
        clock=workspace.clock,
        traffic=traffic,
        reader=reader,
        batch=8,
        queue=8,
        request_payloads=8,
        on_batch=lambda _: None,
        max_run_s=0.0,
    )
    batcher.start()
    yield batcher
    batcher.close()
    reader.close()


def runtime_of(slot: Slot) -> HangingRuntime:
    runtime = slot.predictor._runtime
    assert isinstance(runtime, HangingRuntime)
    return runtime


async def entered(slot: Slot) -> None:
    assert await asyncio.to_thread(runtime_of(slot).entered.wait, 20)


async def test_a_hanging_golden_check_keeps_no_client_waiting(
    batcher: Batcher, slots: tuple[Slot, Slot], red: bytes
) -> None:
    sound, hanging = slots
    golden = asyncio.create_task(batcher.predict(RequestContext(hanging, "golden"), [red]))
    await entered(hanging)
    [answer] = await batcher.predict(RequestContext(sound, "live"), [red])
    assert answer.kind == "live"
    assert batcher.fault() == ""
    batcher.end_golden_run()
    with pytest.raises(TimedOut):
        await golden


async def test_a_hanging_run_is_ended_and_the_next_request_is_answered(
    batcher: Batcher, slots: tuple[Slot, Slot], red: bytes
) -> None:
    sound, hanging = slots
    stuck = asyncio.create_task(batcher.predict(RequestContext(hanging, "live"), [red]))
    await entered(hanging)
    batcher.look_after()
    with pytest.raises(TimedOut):
        await stuck
    assert len(await batcher.predict(RequestContext(sound, "live"), [red])) == 1


async def test_a_batcher_that_closes_ends_the_run_and_refuses_what_waits(
    batcher: Batcher, slots: tuple[Slot, Slot], red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_lane, "CLOSE_S", 0.1)
    sound, hanging = slots
    stuck = asyncio.create_task(batcher.predict(RequestContext(hanging, "live"), [red]))
    await entered(hanging)
    waiting = asyncio.create_task(batcher.predict(RequestContext(sound, "live"), [red]))
    while not len(batcher._live):
        await asyncio.sleep(0)
    await asyncio.to_thread(batcher.close)
    with pytest.raises(TimedOut):
        await stuck
    with pytest.raises(Unavailable, match="stopping"):
        await waiting


async def test_a_request_whose_client_left_meanwhile_is_not_recorded(
    batcher: Batcher, slots: tuple[Slot, Slot], traffic: MemoryTraffic, red: bytes
) -> None:
    sound, _ = slots
    answers = iter([False])  # before the run; after it the client is gone
    context = RequestContext(sound, "live", is_gone=lambda: next(answers, True))
    with pytest.raises(ClientDisconnect):
        await batcher.predict(context, [red])
    assert traffic.servers() == []


async def test_a_request_that_is_late_does_not_run(
    batcher: Batcher, slots: tuple[Slot, Slot], red: bytes
) -> None:
    _, hanging = slots
    with pytest.raises(TimedOut, match="X-Request-Timeout"):
        await batcher.predict(RequestContext(hanging, "live", deadline=0.0), [red])
    assert not runtime_of(hanging).entered.is_set()


async def test_only_answers_teach_the_batch_size(
    slots: tuple[Slot, Slot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of clients that left takes no time at all."""
    learned: list[int] = []
    monkeypatch.setattr(BatchSize, "observe", lambda _self, payloads, *_: learned.append(payloads))
    outcomes = iter([False, True])
    lane = BatchLane(
        "test", lambda _: next(outcomes), batch=5, delay_s=0.0, max_items=99, max_run_s=9.0
    )
    context = RequestContext(slots[0], "live")
    for payloads in (3, 5):
        inputs = [Preprocessed(None, ({},))] * payloads
        lane.submit(Job(context, [b""] * payloads, inputs, [1] * payloads, ANY, ANY))
    lane.start()
    lane.close()
    assert learned == [5]


async def test_a_request_with_a_deadline_does_not_wait_for_the_run(
    batcher: Batcher, slots: tuple[Slot, Slot], red: bytes, traffic: MemoryTraffic
) -> None:
    _, hanging = slots
    context = RequestContext(hanging, "live", deadline=monotonic() + 0.5)
    with pytest.raises(TimedOut, match="X-Request-Timeout"):
        await batcher.predict(context, [red])
    assert runtime_of(hanging).entered.is_set()
    assert not runtime_of(hanging).ended.is_set()
    assert traffic.after("s", 0, limit=9) == []
