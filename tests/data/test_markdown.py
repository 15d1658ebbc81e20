from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tidemill.data.markdown import SHOWN, render_markdown
from tidemill.data.snapshots import SnapshotStore
from tidemill.domain.types import Example, Snapshot

Make = Callable[..., Example]
Write = Callable[..., Snapshot]


def test_the_figures_of_a_snapshot(
    store: SnapshotStore, write: Write, crowd: list[Example], example: Make
) -> None:
    other = replace(example("a * b", "rust", split="train"), source="user_rows")
    snapshot = write([*crowd, other])
    page = render_markdown(store.open(snapshot.id))
    assert render_markdown(store.open(snapshot.id)) == page
    head, samples = page.split("## Samples of list\n\n")
    assert head == (
        "# Data of leaves\n\n"
        f"Snapshot `{snapshot.id[:12]}`, 33 examples, policy stop.\n\n"
        "| source | train | val | test | all |\n"
        "|---|---:|---:|---:|---:|\n"
        "| list | 20 (95.2%) | 6 (100.0%) | 6 (100.0%) | 32 (97.0%) |\n"
        "| user\\_rows | 1 (4.8%) | 0 (0.0%) | 0 (0.0%) | 1 (3.0%) |\n"
        "| all | 21 (63.6%) | 6 (18.2%) | 6 (18.2%) | 33 |\n"
        "\n"
        "## disease\n\n"
        "| label | train | val | test | all |\n"
        "|---|---:|---:|---:|---:|\n"
        "| healthy | 10 (47.6%) | 3 (50.0%) | 3 (50.0%) | 16 (48.5%) |\n"
        "| rust | 11 (52.4%) | 3 (50.0%) | 3 (50.0%) | 17 (51.5%) |\n"
        "\n"
    )
    listed, users = samples.split("\n## Samples of user\\_rows\n\n")
    assert len(listed.splitlines()) == 3
    assert users == "- rust: ` a * b `\n"


def test_a_text_cannot_be_taken_for_markdown(
    store: SnapshotStore, write: Write, example: Make
) -> None:
    text = "# <b>`` @who ``</b>\n\n* see #7 | x\x07y"
    snapshot = write([example(text, "a|b", split="train", origin="1")])
    lines = render_markdown(store.open(snapshot.id)).splitlines()
    assert lines[-1] == "- a\\|b: ``` # <b>`` @who ``</b> * see #7 | x y ```"
    assert "| a\\|b | 1 (100.0%) | 1 (100.0%) |" in lines


def test_a_long_text_is_cut(store: SnapshotStore, write: Write, example: Make) -> None:
    snapshot = write([example("x" * 81, split="train", origin="1")])
    assert f"` {'x' * (SHOWN - 1)}… `" in render_markdown(store.open(snapshot.id))


def test_what_is_no_text_is_not_shown(
    store: SnapshotStore, write: Write, crowd: list[Example], example: Make
) -> None:
    images = [b"\x89PNG", b"\xff\xd8", b"BM\0\0", b"\x89PNG2"]
    rows = [
        replace(example(payload, split="train", origin=f"{n}"), source="folder")
        for n, payload in enumerate(images)
    ]
    page = render_markdown(store.open(write([*rows, *crowd]).id))
    assert "Samples of list" in page
    assert "Samples of folder" not in page
