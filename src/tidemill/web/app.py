"""Assembles the server's app. Everything it consists of has a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from tidemill import __version__
from tidemill.domain.errors import UsageError
from tidemill.recipes.routes import Build, Routes
from tidemill.serving import Serving
from tidemill.web import (
    document,
    errors,
    explain,
    feedback,
    loop_routes,
    metrics,
    predict,
    read_routes,
)
from tidemill.web.batcher import Batcher
from tidemill.web.body import BodyLimit
from tidemill.web.golden_check import Prover
from tidemill.web.recipe_server import Lent
from tidemill.web.slots import Slots

OWN = ("/v1/", "/metrics", "/docs", "/openapi.json")
"""Where the paths of the server's own routes begin."""


def create_app(serving: Serving, routes: Build) -> FastAPI:
    """The app of one server process. Its lifespan starts and stops the threads it needs.

    `app.state.slots` and `app.state.batcher` are there for tests. Raises UsageError when a route
    of the recipe takes POST and no probe asks it, takes a path of the server's, or counts under a
    name of the server's.
    """
    settings = serving.settings
    numbers = metrics.Metrics()
    batcher = Batcher(
        server=serving.server,
        clock=serving.clock,
        traffic=serving.traffic,
        batch=settings.batch,
        queue=settings.queue,
        told=numbers.count,
    )

    explainer = explain.Explainer()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        slots.start()
        yield
        # In this order: a proof that is under way still needs answers.
        slots.close()
        batcher.close()
        explainer.close()

    app = FastAPI(
        title=f"Tidemill: {serving.recipe}",
        version=__version__,
        description="Answers, what they came from, and what the ledger decided.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # A redirect would be an answer outside the one error shape.
        redirect_slashes=False,
        responses=document.FAILURES,
    )
    prover = Prover(app, most=batcher.most)
    slots = Slots(
        serving.ledger,
        serving.clock,
        serving.load,
        prover,
        poll=timedelta(milliseconds=settings.poll_ms),
    )
    lent = Lent(serving, slots, batcher)
    recipe = _checked(routes(lent))
    prover.probes = recipe.probes
    lent.proved = prover.asked
    numbers.watch(lambda: batcher.waiting, lambda: slots.view)
    numbers.add(recipe.collectors)

    for router in (
        predict.build(lent),
        explain.build(lent, explainer),
        feedback.build(serving, slots),
        read_routes.build(serving, slots),
        loop_routes.build(serving),
        metrics.build(numbers),
    ):
        app.include_router(router)
    document.install(app, slots, batcher.most)
    app.include_router(recipe.router, tags=[serving.recipe])

    errors.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(errors.Guard)
    app.add_middleware(metrics.Meter, metrics=numbers)
    app.state.slots = slots
    app.state.batcher = batcher
    return app


def _checked(recipe: Routes) -> Routes:
    """The recipe's routes, unless it is plain already that they cannot be served.

    The answerer refuses whatever no probe asks, what is called silent included; this tells the
    author of a recipe at the start.
    """
    paths = [str(getattr(route, "path", "")) for route in recipe.router.routes]
    posts = {
        path
        for path, route in zip(paths, recipe.router.routes, strict=True)
        if "POST" in (getattr(route, "methods", None) or ())
    }
    probed = {probe.path for probe in recipe.probes if probe.method == "POST"}
    silent = set(recipe.silent)
    if loose := sorted(posts - probed - silent):
        raise UsageError(
            f"No probe asks POST {', '.join(loose)}, so nothing proves what it answers.",
            hint="Return a Probe for it from the recipe's routes, or name it in `silent`.",
        )
    if wrong := sorted((silent & probed) | (silent - posts)):
        raise UsageError(
            f"{', '.join(wrong)} cannot be silent: it takes no POST, or a probe asks it."
        )
    if taken := [path for path in paths if path.startswith(OWN)]:
        raise UsageError(f"{', '.join(taken)} belongs to the server, not to a recipe.")
    return recipe
