"""A graph of two papers whose one link is written two million times, 8 MB. What does it take?"""

from __future__ import annotations

from tests.cases.requests import FORM, file_part, form
from tests.cases.server import PeakMemory, Serve
from tests.cases.verdict import require

LINKS, FEATURES = 2_000_000, 312
MEGABYTES, SECONDS = 250, 1.5


def two_papers() -> bytes:
    """Two papers, each with one word of all."""
    words = b"\t".join([b"1"] + [b"0"] * (FEATURES - 1))
    return b"".join(f"{paper}\t".encode() + words + b"\n" for paper in range(2))


def test_a_link_that_repeats_costs_no_more_than_one(serve: Serve) -> None:
    papers = file_part(two_papers(), name="data1", filename='filename="data1"')

    def graph(links: int) -> bytes:
        repeated = b"0\t1\n" * links
        return form(papers, file_part(repeated, name="data2", filename='filename="data2"'))

    body = graph(LINKS)
    with serve("cora") as server:
        assert server.ask("/test/", graph(1), FORM).status == 200
        with PeakMemory(server) as memory:
            answer = server.ask("/test/", body, FORM)
    taken = memory.peak - memory.before
    require(
        taken <= MEGABYTES and answer.seconds <= SECONDS,
        f"{len(body) >> 20} MiB with {LINKS:,} times one link get {answer.status} after"
        f" {answer.seconds:.1f} s and take {taken} MB",
    )
