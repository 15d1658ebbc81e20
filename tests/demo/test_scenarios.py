"""Every scenario has the properties that the claims rely on."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tidemill.demo.demo_run import PAYLOADS
from tidemill.demo.judge import find_scenario
from tidemill.demo.live import first_labels, flip_half_of
from tidemill.demo.report import EXAMPLES_PER_CLASS, render_gallery
from tidemill.demo.scenario import Scenario
from tidemill.demo.scenarios import SCENARIOS
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Example, Split, payload_id
from tidemill.web.json_body import parse_payloads
from tidemill.workspace.planning import plan

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)


def codec_of(scenario: Scenario) -> Any:
    recipe, experiment = plan(scenario.recipe)
    return recipe.codec(experiment.tree())


class Tags(HTMLParser):
    """Every tag that a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_scenario_belongs_to_a_recipe_and_another_recipe_is_refused() -> None:
    assert [find_scenario(name) for name in SCENARIOS] == list(SCENARIOS.values())
    with pytest.raises(UsageError, match="'peppers'") as refused:
        find_scenario("peppers")
    assert all(name in refused.value.hint for name in SCENARIOS)


@every_scenario
def test_shifted_examples_are_reproducible_and_distinct(
    scenario: Scenario,
) -> None:
    labelled, unlabelled = scenario.shifted_examples(21, 30), scenario.shifted_examples(22, 30)
    assert labelled == scenario.shifted_examples(21, 30)
    assert len({row.id for row in [*labelled, *unlabelled]}) == 60
    assert all(payload_id(row.payload) == row.id for row in labelled)
    assert len(set(first_labels(labelled))) >= 2
    assert {tuple(row.labels) for row in labelled} == {tuple(labelled[0].labels)}


@every_scenario
def test_a_client_sends_the_payload_itself(scenario: Scenario) -> None:
    payload = scenario.shifted_examples(21, 1)[0].payload
    form = scenario.request_format(payload)
    if "files" in form:
        assert form == {"files": {"file": payload}}
        return
    body = json.dumps(form["json"]).encode()
    assert parse_payloads(codec_of(scenario), body, 1) == [payload]


@every_scenario
def test_enlarged_payloads_fill_a_log_and_can_be_decoded(scenario: Scenario) -> None:
    payloads = [row.payload for row in scenario.shifted_examples(21, 10)]
    large = scenario.enlarge(payloads)
    assert len(large) == len(payloads)
    assert sum(map(len, large)) * PAYLOADS / len(large) > 2 << 20 > 50 * max(map(len, large))
    codec = codec_of(scenario)
    assert all(codec.decode(payload) for payload in large)


@every_scenario
def test_faults_are_planted_once_and_named(scenario: Scenario, tmp_path: Path) -> None:
    planted = scenario.plant_faults(tmp_path / "new")
    assert set(planted) == {"identical", "leak", "conflict", "broken"}
    origins = [origin for fault in planted.values() for origin in fault]
    assert len(origins) == len(set(origins)) == 7
    assert any(
        str(tmp_path / "new") in word for word in scenario.faulty_overrides(tmp_path / "new")
    )


@every_scenario
def test_half_of_the_labels_of_every_class_are_flipped(scenario: Scenario) -> None:
    rows = scenario.shifted_examples(21, 60)
    true = [row.labels for row in rows]
    flipped = flip_half_of(true)
    assert {tuple(row) for row in flipped} == {tuple(sorted(row)) for row in true}
    for name in set(first_labels(rows)):
        first = min(true[0])
        labels = [new[first] for new, old in zip(flipped, true, strict=True) if old[first] == name]
        assert labels.count(name) == len(labels) / 2
        assert len(set(labels)) == 2


@every_scenario
def test_the_gallery_shows_what_a_model_learns_from(scenario: Scenario) -> None:
    rows = scenario.shifted_examples(21, 30)
    classes = [tuple(row.labels.values()) for row in rows]

    def assign(split: Split) -> list[Example]:
        return [Example(r.id, r.payload, r.labels, r.source, r.origin, split) for r in rows]

    page = render_gallery(scenario, [*assign("train"), *assign("test")])
    cell = Tags(scenario.render(rows[0].payload)).tags[0][0]
    cells = [tag for tag, _ in Tags(page).tags if tag == cell]
    assert len(cells) == sum(min(EXAMPLES_PER_CLASS, classes.count(name)) for name in set(classes))
    assert cell not in {tag for tag, _ in Tags(render_gallery(scenario, assign("test"))).tags}
    assert "://" not in page


@pytest.mark.parametrize("name", ["coffee", "plants"])
def test_an_image_is_inside_the_page(name: str) -> None:
    scenario = SCENARIOS[name]
    [(tag, attributes)] = Tags(scenario.render(scenario.shifted_examples(21, 1)[0].payload)).tags
    assert tag == "img"
    assert str(attributes["src"]).startswith("data:image/png;base64,")


@pytest.mark.parametrize("name", ["sentiment", "lucky"])
def test_a_text_is_escaped(name: str) -> None:
    html = SCENARIOS[name].render(b"<script>'a' & \"b\"</script>")
    assert [tag for tag, _ in Tags(html).tags] == ["q", "br"]
