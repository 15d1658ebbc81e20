"""Batching: all waiting payloads go together; batches are durable, limited and never mixed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from queue import Queue
from typing import Any

import numpy as np
import pytest

from tests.herds import files, herd
from tidemill.adapters.memory import MemoryTraffic
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.domain.errors import (
    BadPayload,
    Corrupt,
    InvalidRequest,
    Overloaded,
    StorageFailed,
    Unavailable,
)
from tidemill.domain.ports import Runtime
from tidemill.domain.types import Prediction
from tidemill.predictor import Predictor
from tidemill.web.batcher import MAX_ITEMS, Batcher
from tidemill.web.reader import Reader
from tidemill.web.request_context import RequestContext
from tidemill.web.slots import Slot

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class HeldRuntime:
    """Reports each run and waits for its release."""

    alone = False

    def __init__(self, inner: Runtime) -> None:
        self.inner = inner
        self.entered: Queue[int] = Queue()
        self.go = threading.Semaphore(0)

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        self.entered.put(len(next(iter(arrays.values()))))
        assert self.go.acquire(timeout=20)
        return self.inner.run(arrays)


class ToldTraffic(MemoryTraffic):
    """Records each append."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[list[Prediction]] = []
        self.error: Exception | None = None

    def append(self, predictions: Sequence[Prediction]) -> None:
        if self.error:
            raise self.error
        self.appends.append(list(predictions))
        super().append(predictions)


@pytest.fixture
def traffic() -> ToldTraffic:
    return ToldTraffic()


@pytest.fixture
def slot(workspace: Any) -> Slot:
    version = workspace.register()
    workspace.wrap = HeldRuntime
    return Slot(version, workspace.load(version))


Make = Callable[..., Batcher]


@pytest.fixture
def make(workspace: Any, traffic: ToldTraffic) -> Iterator[Make]:
    batchers: list[Batcher] = []
    reader = Reader()

    def start(
        batch: int = 64,
        queue: int = 256,
        items: int = MAX_ITEMS,
        request: int = 64,
        delay_s: float = 0.0,
    ) -> Batcher:
        batcher = Batcher(
            server="s",
            clock=workspace.clock,
            traffic=traffic,
            reader=reader,
            batch=batch,
            queue=queue,
            request_payloads=request,
            delay_s=delay_s,
            on_batch=lambda _: None,
            max_items=items,
        )
        batcher.start()
        batchers.append(batcher)
        return batcher

    yield start
    for batcher in batchers:
        if not batcher._closing.is_set():
            batcher.close()
    reader.close()


def runtime_of(slot: Slot) -> HeldRuntime:
    runtime = slot.predictor._runtime
    assert isinstance(runtime, HeldRuntime)
    return runtime


async def entered(slot: Slot) -> int:
    return await asyncio.to_thread(runtime_of(slot).entered.get, timeout=20)


async def queued(batcher: Batcher, jobs: int) -> None:
    async with asyncio.timeout(20):
        while len(batcher._live) + len(batcher._golden) != jobs:
            await asyncio.sleep(0)


Ask = Callable[..., asyncio.Task[list[Prediction]]]


def asking(batcher: Batcher, slot: Slot, payload: bytes) -> Ask:
    def ask(count: int = 1, of: Slot = slot, kind: Any = "live") -> Any:
        return asyncio.create_task(batcher.predict(RequestContext(of, kind), [payload] * count))

    return ask


async def test_everything_that_waits_is_taken_at_once(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    batcher = make()
    ask = asking(batcher, slot, red)
    first = ask()
    assert await entered(slot) == 1
    waiting = [ask(2), ask(3), ask()]
    await queued(batcher, 3)
    assert batcher.waiting == 6
    runtime_of(slot).go.release(2)
    assert await entered(slot) == 6
    answers = await asyncio.gather(first, *waiting)
    assert [len(answer) for answer in answers] == [1, 2, 3, 1]
    assert [len(append) for append in traffic.appends] == [1, 6]
    assert [one.sequence for append in traffic.appends for one in append] == list(range(1, 8))
    assert batcher.waiting == 0


async def test_a_batch_holds_no_more_than_the_cap_and_splits_no_request(
    make: Make, slot: Slot, red: bytes
) -> None:
    batcher = make(batch=4)
    ask = asking(batcher, slot, red)
    tasks = [ask()]
    assert await entered(slot) == 1
    for count in (3, 2, 4):
        tasks.append(ask(count))
        await queued(batcher, len(tasks) - 1)
    runtime_of(slot).go.release(4)
    assert [await entered(slot) for _ in range(3)] == [3, 2, 4]
    await asyncio.gather(*tasks)


async def test_a_full_queue_refuses_clients_but_not_golden_requests(
    make: Make, slot: Slot, red: bytes
) -> None:
    batcher = make(queue=3)
    ask = asking(batcher, slot, red)
    tasks = [ask()]
    await entered(slot)
    tasks += [ask(2), ask(1)]
    await queued(batcher, 2)
    with pytest.raises(Overloaded):
        await ask()
    tasks.append(ask(kind="golden"))
    await queued(batcher, 3)
    runtime_of(slot).go.release(9)
    await asyncio.gather(*tasks)
    assert [one.kind for one in await tasks[-1]] == ["golden"]


async def test_one_client_leaves_a_part_of_the_queue_to_others(
    make: Make, slot: Slot, red: bytes
) -> None:
    batcher = make(queue=8)

    def ask(count: int, client: str) -> asyncio.Task[list[Prediction]]:
        context = RequestContext(slot, "live", client)
        return asyncio.create_task(batcher.predict(context, [red] * count))

    tasks = [ask(1, "a")]
    await entered(slot)
    tasks += [ask(4, "a"), ask(3, "a")]
    await queued(batcher, 2)
    with pytest.raises(Overloaded):
        await ask(1, "a")
    tasks.append(ask(1, "b"))
    await queued(batcher, 3)
    runtime_of(slot).go.release(9)
    await asyncio.gather(*tasks)
    assert (batcher.waiting, batcher._by_client) == (0, {})


@pytest.mark.parametrize("limits", [{"request": 4}, {"queue": 4}])
async def test_a_request_holds_no_more_than_its_limit_or_the_queue(
    make: Make, slot: Slot, red: bytes, limits: dict[str, int]
) -> None:
    with pytest.raises(InvalidRequest, match="4 payloads at most"):
        await asking(make(**limits), slot, red)(5)


async def test_a_request_beyond_a_batch_runs_in_parts_and_is_one_append(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    batcher = make(batch=4)
    task = asking(batcher, slot, red)(9)
    runtime_of(slot).go.release(3)
    assert [await entered(slot) for _ in range(3)] == [4, 4, 1]
    assert len(await task) == 9
    assert [len(append) for append in traffic.appends] == [9]


async def test_a_delay_lets_a_batch_fill(make: Make, slot: Slot, red: bytes) -> None:
    ask = asking(make(batch=4, delay_s=3_600.0), slot, red)
    tasks = [ask(count) for count in (1, 2, 1)]
    runtime_of(slot).go.release()
    assert await entered(slot) == 4
    await asyncio.gather(*tasks)


async def test_a_delay_ends_though_nothing_follows(make: Make, slot: Slot, red: bytes) -> None:
    task = asking(make(batch=4, delay_s=0.001), slot, red)()
    runtime_of(slot).go.release()
    assert await entered(slot) == 1
    await task


async def test_a_batcher_that_closes_delays_nothing(make: Make, slot: Slot, red: bytes) -> None:
    batcher = make(batch=4, delay_s=3_600.0)
    task = asking(batcher, slot, red)()
    await queued(batcher, 1)
    runtime_of(slot).go.release()
    await asyncio.to_thread(batcher.close)
    assert len(await task) == 1


async def test_golden_requests_wait_for_no_batch(make: Make, slot: Slot, red: bytes) -> None:
    task = asking(make(batch=4, delay_s=3_600.0), slot, red)(kind="golden")
    runtime_of(slot).go.release()
    assert await entered(slot) == 1
    await task


async def test_a_payload_that_cannot_be_read_leaves_no_trace(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    batcher = make()
    with pytest.raises(BadPayload, match="Payload 1") as caught:
        await batcher.predict(RequestContext(slot, "live"), [red, b"no image", b"neither"])
    assert caught.value.index == 1
    assert (batcher.waiting, traffic.appends) == (0, [])


async def test_rows_are_durable_before_the_response(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    batcher = make()
    reached, go = threading.Event(), threading.Event()
    append = traffic.append

    def slow(predictions: Sequence[Prediction]) -> None:
        reached.set()
        assert go.wait(20)
        append(predictions)

    traffic.append = slow  # type: ignore[method-assign]
    runtime_of(slot).go.release()
    task = asking(batcher, slot, red)()
    await asyncio.to_thread(reached.wait, 20)
    assert not task.done()
    assert traffic.appends == []
    go.set()
    [prediction] = await task
    assert traffic.appends == [[prediction]]


async def test_every_prediction_has_its_bins(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes, leaf: Callable[..., bytes]
) -> None:
    batcher = make()
    runtime_of(slot).go.release(9)
    blue = leaf((10, 10, 200))
    [first, other] = await batcher.predict(RequestContext(slot, "live"), [red, blue])
    [probe] = await batcher.predict(RequestContext(slot, "golden"), [red])
    predictor = slot.predictor
    reference = predictor.bundle.reference
    expected = [
        features
        for _, features in predictor.predict_with_bins(
            [predictor.preprocess(p) for p in (red, blue)]
        )
    ]
    assert [first.bins, other.bins] == expected
    assert probe.bins == first.bins != other.bins
    assert {len(one.bins) for one in (first, other, probe)} == {len(reference.names)}
    assert traffic.appends == [[first, other], [probe]]
    assert reference.count([first.bins, other.bins]).sum() == 2 * len(reference.names)


async def test_a_reference_of_another_graph_fails_the_request(
    make: Make, workspace: Any, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    bundle = slot.predictor.bundle
    classes = {"disease": ("Miner", "Healthy")}
    view = replace(bundle.reference.view, classes=classes)
    counts = bundle.reference.split(bundle.reference.counts)
    counts["prediction.disease"] = np.array([bundle.reference.n, 0])
    forged = replace(bundle.reference, view=view, counts=np.concatenate(list(counts.values())))
    predictor = Predictor(replace(bundle, reference=forged), OnnxRuntime(bundle.model))
    with pytest.raises(Corrupt, match="does not fit what the model answers"):
        await make().predict(RequestContext(Slot(slot.version, predictor), "live"), [red])
    assert traffic.appends == []


async def test_a_failed_append_fails_its_requests(
    make: Make, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    batcher = make()
    ask = asking(batcher, slot, red)
    first = ask()
    await entered(slot)
    both = [ask(), ask(2)]
    await queued(batcher, 2)
    traffic.error = StorageFailed("full")
    runtime_of(slot).go.release(2)
    ends = await asyncio.gather(first, *both, return_exceptions=True)
    assert [type(end) for end in ends] == [StorageFailed] * 3
    traffic.error = None
    runtime_of(slot).go.release()
    assert len(await ask()) == 1


class BrokenRuntime:
    alone = False

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError("broken")


class OverflowingRuntime(HeldRuntime):
    """Answers an image that is more blue than red with infinity."""

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        outputs = dict(super().run(arrays))
        means = arrays["image"].mean(axis=(1, 2))
        logits = outputs["logits_disease"].copy()
        logits[means[:, 2] > means[:, 0]] = np.inf
        return {**outputs, "logits_disease": logits}


async def test_a_payload_without_a_finite_answer_fails_its_own_request_alone(
    make: Make, workspace: Any, traffic: ToldTraffic, red: bytes, leaf: Callable[..., bytes]
) -> None:
    version = workspace.register()
    workspace.wrap = OverflowingRuntime
    slot = Slot(version, workspace.load(version))
    blue = leaf((10, 10, 200))
    batcher = make()
    first = asking(batcher, slot, red)()
    await entered(slot)
    tasks = [
        asyncio.create_task(batcher.predict(RequestContext(slot, "live"), payloads))
        for payloads in ([red], [red, blue], [red, red], [blue])
    ]
    await queued(batcher, 4)
    runtime_of(slot).go.release(9)
    await first
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [list, BadPayload, list, BadPayload]
    for end, start, index in ((ends[1], "Payload 1: The model's", 1), (ends[3], "The model's", 0)):
        assert isinstance(end, BadPayload)
        assert (str(end).startswith(start), end.index) == (True, index)
    assert [len(append) for append in traffic.appends] == [1, 1 + 2]
    assert [one.sequence for append in traffic.appends for one in append] == [1, 2, 3, 4]
    assert batcher.waiting == 0


async def test_the_index_of_a_payload_counts_all_parts_of_a_request(
    make: Make, workspace: Any, traffic: ToldTraffic, red: bytes, leaf: Callable[..., bytes]
) -> None:
    version = workspace.register()
    workspace.wrap = OverflowingRuntime
    slot = Slot(version, workspace.load(version))
    runtime_of(slot).go.release(9)
    payloads = [red, red, red, leaf((10, 10, 200))]
    with pytest.raises(BadPayload, match="Payload 3") as caught:
        await make(batch=2).predict(RequestContext(slot, "live"), payloads)
    assert (caught.value.index, traffic.appends) == (3, [])


@pytest.fixture
def herds(workspace: Any) -> Slot:
    """A version whose payloads have many items; its runtime reports each run."""
    workspace.recipe = "herd"
    version = workspace.enter(*files())
    workspace.wrap = HeldRuntime
    return Slot(version, workspace.load(version))


async def test_a_request_asks_for_so_many_items_at_most(
    make: Make, herds: Slot, traffic: ToldTraffic
) -> None:
    batcher = make(items=5)
    runtime_of(herds).go.release(9)
    with pytest.raises(
        InvalidRequest, match="6 items are too many for one request; at most 5"
    ) as caught:
        await batcher.predict(RequestContext(herds, "live"), [herd(150, 50, 101), herd(99, 20, 30)])
    assert "several requests" in caught.value.hint
    assert (batcher.waiting, traffic.appends) == (0, [])
    answers = await batcher.predict(
        RequestContext(herds, "live"), [herd(150, 50, 101), herd(99, 20)]
    )
    assert [len(one.answers) for one in answers] == [3, 2]


async def test_a_batch_asks_for_so_many_items_at_most(
    make: Make, herds: Slot, traffic: ToldTraffic
) -> None:
    batcher = make(items=5)
    ask = [asking(batcher, herds, herd(*[150.0] * size)) for size in (1, 3, 2, 4, 5)]
    tasks = [ask[0]()]
    await entered(herds)
    for one in ask[1:]:
        tasks.append(one())
        await queued(batcher, len(tasks) - 1)
    runtime_of(herds).go.release(9)
    await asyncio.gather(*tasks)
    sizes = [[len(one.answers) for one in append] for append in traffic.appends]
    assert sizes == [[1], [3, 2], [4], [5]]


async def test_where_a_payload_is_one_item_payloads_alone_are_bounded(
    make: Make, slot: Slot, red: bytes
) -> None:
    runtime_of(slot).go.release()
    assert len(await asking(make(items=2), slot, red)(3)) == 3


async def test_two_versions_wait_together_and_answer_apart(
    make: Make, workspace: Any, slot: Slot, traffic: ToldTraffic, red: bytes
) -> None:
    other = workspace.register(sharpness=2.0)
    workspace.wrap = lambda runtime: runtime
    second = Slot(other, workspace.load(other))
    workspace.wrap = lambda _: BrokenRuntime()
    broken = Slot(other, workspace.load(other))
    batcher = make()
    ask = asking(batcher, slot, red)
    first = ask()
    await entered(slot)
    tasks = [ask(), ask(2, of=second), ask(of=broken), ask()]
    await queued(batcher, 4)
    runtime_of(slot).go.release(2)
    await first
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(ends.pop(2), RuntimeError)
    assert [[one.version for one in end] for end in ends if isinstance(end, list)] == [
        ["v1"],
        ["v2", "v2"],
        ["v1"],
    ]
    assert len(traffic.appends) == 2, "one append for the whole batch"


async def test_a_cancelled_request_does_not_affect_others(
    make: Make, slot: Slot, red: bytes
) -> None:
    batcher = make()
    ask = asking(batcher, slot, red)
    first = ask()
    await entered(slot)
    gone, stays = ask(), ask()
    await queued(batcher, 2)
    gone.cancel()
    runtime_of(slot).go.release(2)
    assert len(await first) == len(await stays) == 1


async def test_a_closed_loop_does_not_affect_others(make: Make, slot: Slot, red: bytes) -> None:
    batcher = make()

    async def leave() -> None:
        task = asking(batcher, slot, red)()
        await entered(slot)
        task.cancel()

    await asyncio.to_thread(asyncio.run, leave())
    runtime_of(slot).go.release(2)
    assert len(await asking(batcher, slot, red)()) == 1


async def test_closing_answers_waiting_requests_and_refuses_new_ones(
    make: Make, slot: Slot, red: bytes
) -> None:
    batcher = make()
    ask = asking(batcher, slot, red)
    tasks = [ask()]
    await entered(slot)
    tasks += [ask(), ask(2)]
    await queued(batcher, 2)
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    runtime_of(slot).go.release(2)
    await closing
    assert [len(end) for end in await asyncio.gather(*tasks)] == [1, 1, 2]
    with pytest.raises(Unavailable):
        await ask()
