"""The scenarios of the demo, by their recipes."""

from __future__ import annotations

from tidemill.demo.scenarios import coffee, cora, lucky, plants, sentiment

SCENARIOS = {
    scenario.recipe: scenario
    for scenario in (
        coffee.SCENARIO,
        sentiment.SCENARIO,
        lucky.SCENARIO,
        plants.SCENARIO,
        cora.SCENARIO,
    )
}
