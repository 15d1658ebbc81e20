"""Cheap payloads are decoded in threads, costly ones in processes that end at a deadline."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import BadPayload, Overloaded, TidemillError, TimedOut, Unavailable
from tidemill.web import reader as reader_module
from tidemill.web.reader import THREAD_NS, Reader
from tidemill.web.reader_process import ReaderProcess
from tidemill.web.request_context import RequestContext
from tidemill.web.slots import Slot

COSTLY = 2 * THREAD_NS
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader(workers=1, deadline_s=20, wall_s=300)
    yield reader
    reader.close()


@pytest.fixture
def slot(workspace: Any) -> Slot:
    version = workspace.register()
    return Slot(version, workspace.load(version))


def process_id(_codec: Any) -> int:
    return os.getpid()


def sleep_for_ever(_codec: Any) -> None:
    time.sleep(3600)


def spin(_codec: Any) -> None:
    while True:
        pass


def die(_codec: Any) -> None:
    os._exit(9)


def shout(_codec: Any) -> int:
    os.write(1, b"x" * 10_000)
    return 7


def raise_what_cannot_be_sent(_codec: Any) -> None:
    error = ValueError("The codec is wrong")
    error.why = threading.Lock()  # type: ignore[attr-defined]
    raise error


def refuse(_codec: Any) -> None:
    raise BadPayload("Not this one.", hint="Another.", index=3)


def take_memory(_codec: Any) -> int:
    return len(bytearray(8 << 30))


def kind_of(codec: Any) -> str:
    return f"{codec.kind} {codec.settings.width}"


class Door:
    """Keeps a worker busy until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def wait(self, _codec: Any) -> None:
        self.entered.set()
        assert self.opened.wait(20)


def call(reader: Reader, slot: Slot, cost: float, function: Any, *args: Any, **context: Any) -> Any:
    request = RequestContext(slot, "live", **context)
    codec = slot.predictor.codec
    return reader.submit(request, codec, cost, function, *args)


def test_what_is_costly_is_done_in_one_other_process(reader: Reader, slot: Slot) -> None:
    assert call(reader, slot, THREAD_NS, process_id).result(20) == os.getpid()
    other = call(reader, slot, COSTLY, process_id).result(20)
    assert other != os.getpid()
    assert call(reader, slot, float("inf"), process_id).result(20) == other
    assert call(reader, slot, COSTLY, kind_of).result(20) == "image 8"


def test_what_prints_there_does_not_spoil_the_result(reader: Reader, slot: Slot) -> None:
    assert call(reader, slot, COSTLY, shout).result(20) == 7
    assert call(reader, slot, COSTLY, shout).result(20) == 7


def test_an_error_that_cannot_be_sent_comes_back_as_a_sentence(reader: Reader, slot: Slot) -> None:
    with pytest.raises(TidemillError, match="ValueError: The codec is wrong"):
        call(reader, slot, COSTLY, raise_what_cannot_be_sent).result(20)


@pytest.mark.skipif(os.name == "nt", reason="a console has one group of processes")
def test_ctrl_c_is_for_the_server_alone(reader: Reader, slot: Slot) -> None:
    process = call(reader, slot, COSTLY, process_id).result(20)
    os.kill(process, signal.SIGINT)
    assert call(reader, slot, COSTLY, process_id).result(20) == process


def test_a_process_without_work_ends(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    rest = ReaderProcess.rest

    def rest_and_tell(process: ReaderProcess) -> None:
        rest(process)
        ended.set()

    monkeypatch.setattr(ReaderProcess, "rest", rest_and_tell)
    monkeypatch.setattr(reader_module, "IDLE_S", 0.01)
    reader = Reader(workers=1)
    first = call(reader, slot, COSTLY, process_id).result(20)
    ended.clear()
    assert ended.wait(20)
    assert call(reader, slot, COSTLY, process_id).result(20) != first
    reader.close()


def test_an_error_comes_back_whole(reader: Reader, slot: Slot) -> None:
    with pytest.raises(BadPayload, match="Not this one") as caught:
        call(reader, slot, COSTLY, refuse).result(20)
    assert (caught.value.hint, caught.value.index) == ("Another.", 3)


def test_codecs_may_alternate(reader: Reader, slot: Slot) -> None:
    """As those of two versions do, while one is checked and the other serves."""
    context = RequestContext(slot, "live")
    config = {"height": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}
    wide, wider = (ImageCodec.from_config(config | {"width": width}) for width in (8, 16))
    for codec in (wide, wider, wide, wide, wider):
        done = reader.submit(context, codec, COSTLY, kind_of).result(20)
        assert done == f"image {codec.settings.width}"
        with pytest.raises(BadPayload, match="Not this one"):
            reader.submit(context, codec, COSTLY, refuse).result(20)


def test_what_cannot_be_sent_there_fails_alone(reader: Reader, slot: Slot) -> None:
    with pytest.raises((TypeError, pickle.PicklingError)):
        call(reader, slot, COSTLY, kind_of, threading.Lock()).result(20)
    assert call(reader, slot, COSTLY, kind_of).result(20) == "image 8"


def test_what_ends_its_process_is_refused_and_the_next_is_done(reader: Reader, slot: Slot) -> None:
    first = call(reader, slot, COSTLY, process_id).result(20)
    with pytest.raises(BadPayload, match="ended the process"):
        call(reader, slot, COSTLY, die).result(20)
    assert call(reader, slot, COSTLY, process_id).result(20) not in (first, os.getpid())


@pytest.mark.skipif(os.name == "nt", reason="a process has no limit of memory here")
def test_memory_has_a_limit(reader: Reader, slot: Slot) -> None:
    with pytest.raises(MemoryError):
        call(reader, slot, COSTLY, take_memory).result(20)


@pytest.mark.skipif(os.name == "nt", reason="the clock alone ends a process here")
def test_what_overruns_the_deadline_is_ended(slot: Slot) -> None:
    reader = Reader(workers=1, deadline_s=0.5, wall_s=300)
    with pytest.raises(BadPayload, match=r"longer than 0.5 s"):
        call(reader, slot, COSTLY, spin).result(120)
    reader.close()


def test_what_waits_for_ever_is_ended_by_the_clock(slot: Slot) -> None:
    reader = Reader(workers=1, wall_s=0.5)
    with pytest.raises(TimedOut, match="in time"):
        call(reader, slot, COSTLY, sleep_for_ever).result(20)
    reader.close()


def test_a_reader_that_closes_ends_what_runs(slot: Slot) -> None:
    reader = Reader(workers=1, deadline_s=600, wall_s=600)
    call(reader, slot, COSTLY, process_id).result(20)
    running = call(reader, slot, COSTLY, sleep_for_ever)
    waiting = call(reader, slot, COSTLY, process_id)
    reader.close()
    for future in (running, waiting):
        with pytest.raises(Unavailable, match="stopping"):
            future.result(20)
    with pytest.raises(Unavailable, match="stopping"):
        call(reader, slot, COSTLY, process_id)


def test_a_request_that_is_gone_or_late_is_not_read(reader: Reader, slot: Slot) -> None:
    with pytest.raises(ClientDisconnect):
        call(reader, slot, 1, process_id, is_gone=lambda: True).result(20)
    with pytest.raises(TimedOut):
        call(reader, slot, 1, process_id, deadline=0.0).result(20)


def test_what_waits_has_a_limit(
    reader: Reader, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_WAITING", 1)
    door = Door()
    first = call(reader, slot, 1, door.wait)
    assert door.entered.wait(20)
    second = call(reader, slot, 1, process_id)
    with pytest.raises(Overloaded):
        call(reader, slot, 1, process_id)
    door.opened.set()
    first.result(20)
    assert second.result(20) == os.getpid()


async def test_a_small_payload_is_decoded_without_a_thread(
    reader: Reader, slot: Slot, red: bytes
) -> None:
    context = RequestContext(slot, "live")
    door = Door()
    blocked = call(reader, slot, 1, door.wait)
    assert await asyncio.to_thread(door.entered.wait, 20)
    [row] = await reader.decode(context, [red])
    assert row.decoded.size == (8, 8)
    door.opened.set()
    await asyncio.wrap_future(blocked)


async def test_the_payloads_of_a_request_stay_in_order(
    reader: Reader, slot: Slot, leaf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some in turns of a thread, some in the process."""
    monkeypatch.setattr(reader_module, "INLINE_BYTES", 0)
    monkeypatch.setattr(reader_module, "TURN_NS", 1.0)
    payloads = [leaf((10 * n, 0, 0)) for n in range(7)]
    costs = {payload: COSTLY if n in (0, 3, 4) else 10.0 for n, payload in enumerate(payloads)}
    monkeypatch.setattr(
        type(slot.predictor.codec), "estimate_ns", lambda _, payload: costs[payload]
    )
    rows = await reader.decode(RequestContext(slot, "live"), payloads)
    assert [int(row.decoded.pixels[0, 0, 0]) for row in rows] == [0, 10, 20, 30, 40, 50, 60]


async def test_what_would_take_far_too_long_is_refused_at_once(
    reader: Reader, slot: Slot, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = 2 * reader_module.REFUSED_NS
    monkeypatch.setattr(type(slot.predictor.codec), "estimate_ns", lambda *_: cost)
    with pytest.raises(BadPayload, match="take too long"):
        await reader.decode(RequestContext(slot, "live"), [red])
    assert not reader._processes._started


async def test_the_faulty_payload_is_named_in_each_lane(
    reader: Reader, slot: Slot, red: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "INLINE_BYTES", 0)
    for cost in (1.0, COSTLY):
        monkeypatch.setattr(type(slot.predictor.codec), "estimate_ns", lambda *_, c=cost: c)
        with pytest.raises(BadPayload, match=r"^Payload 1: ") as caught:
            await reader.decode(RequestContext(slot, "live"), [red, b"no image"])
        assert caught.value.index == 1
