"""What a story is told about keeps what the claims take for granted."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tidemill.demo.demo_run import ASKED
from tidemill.demo.judge import place
from tidemill.demo.live import half_flipped, labels, truth
from tidemill.demo.report import EACH, gallery
from tidemill.demo.scenario import World
from tidemill.demo.scenarios import WORLDS
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example, Split, payload_id
from tidemill.web.predict import from_json
from tidemill.workspace.planning import plan

every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)


def codec_of(world: World) -> Any:
    recipe, experiment = plan(world.recipe)
    return recipe.codec(experiment.tree())


class Tags(HTMLParser):
    """Every tag that a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_a_world_is_found_by_its_recipe_and_another_is_refused() -> None:
    assert [place(name) for name in WORLDS] == list(WORLDS.values())
    with pytest.raises(UsageError, match="'peppers'") as refused:
        place("peppers")
    assert all(name in refused.value.hint for name in WORLDS)


@every_world
def test_what_comes_after_the_change_is_reproducible_and_never_said_twice(world: World) -> None:
    taught, unseen = world.changed(21, 30), world.changed(22, 30)
    assert taught == world.changed(21, 30)
    assert len({row.id for row in [*taught, *unseen]}) == 60
    assert all(payload_id(row.payload) == row.id for row in taught)
    assert len(set(truth(taught))) >= 2
    assert {tuple(row.labels) for row in taught} == {tuple(taught[0].labels)}


@every_world
def test_a_client_sends_the_payload_itself(world: World) -> None:
    payload = world.changed(21, 1)[0].payload
    form = world.form(payload)
    if "files" in form:
        assert form == {"files": {"file": payload}}
        return
    body = json.dumps(form["json"]).encode()
    assert from_json(body, codec_of(world).payload, 1) == [payload]


@every_world
def test_bulky_payloads_fill_a_log_and_can_be_read(world: World) -> None:
    payloads = [row.payload for row in world.changed(21, 10)]
    bulky = world.bulky(payloads)
    assert len(bulky) == len(payloads)
    assert sum(map(len, bulky)) * ASKED / len(bulky) > 2 << 20 > 50 * max(map(len, bulky))
    codec = codec_of(world)
    assert all(codec.decode(payload) for payload in bulky)


@every_world
def test_faults_are_planted_once_and_named(world: World, tmp_path: Path) -> None:
    planted = world.plant(tmp_path / "new")
    assert set(planted) == {"identical", "leak", "conflict", "broken"}
    origins = [origin for fault in planted.values() for origin in fault]
    assert len(origins) == len(set(origins)) == 7
    assert any(str(tmp_path / "new") in word for word in world.faulty(tmp_path / "new"))


@every_world
def test_half_of_the_labels_of_every_class_are_flipped(world: World) -> None:
    rows = world.changed(21, 60)
    true, flipped = labels(rows), half_flipped(labels(rows))
    assert {tuple(row) for row in flipped} == {tuple(sorted(row)) for row in true}
    for name in set(truth(rows)):
        first = min(true[0])
        said = [new[first] for new, old in zip(flipped, true, strict=True) if old[first] == name]
        assert said.count(name) == len(said) / 2
        assert len(set(said)) == 2


@every_world
def test_the_gallery_shows_what_a_model_learns_from(world: World) -> None:
    rows = world.changed(21, 30)
    classes = [tuple(row.labels.values()) for row in rows]

    def given(split: Split) -> list[Example]:
        return [Example(r.id, r.payload, r.labels, r.source, r.origin, split) for r in rows]

    page = gallery(world, [*given("train"), *given("test")])
    cell = Tags(world.show(rows[0].payload)).seen[0][0]
    shown = [tag for tag, _ in Tags(page).seen if tag == cell]
    assert len(shown) == sum(min(EACH, classes.count(name)) for name in set(classes))
    assert cell not in {tag for tag, _ in Tags(gallery(world, given("test"))).seen}
    assert "://" not in page


@pytest.mark.parametrize("name", ["coffee", "plants"])
def test_a_image_is_shown_in_the_page_itself(name: str) -> None:
    world = WORLDS[name]
    [(tag, attributes)] = Tags(world.show(world.changed(21, 1)[0].payload)).seen
    assert tag == "img"
    assert str(attributes["src"]).startswith("data:image/png;base64,")


@pytest.mark.parametrize("name", ["sentiment", "lucky"])
def test_a_text_is_shown_and_never_obeyed(name: str) -> None:
    shown = WORLDS[name].show(b"<script>'a' & \"b\"</script>")
    assert [tag for tag, _ in Tags(shown).seen] == ["q", "br"]
