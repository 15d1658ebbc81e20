"""The worlds that a story is told about, by the recipe of each."""

from __future__ import annotations

from tidemill.demo.scenarios import coffee, cora, lucky, plants, sentiment

WORLDS = {
    world.recipe: world
    for world in (coffee.WORLD, sentiment.WORLD, lucky.WORLD, plants.WORLD, cora.WORLD)
}
