"""Assembles the server's app from the files of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from starlette.formparsers import MultiPartParser

from tidemill import __version__
from tidemill.adapters.feedback_command import pull_feedback
from tidemill.adapters.processors import available_processors
from tidemill.domain.api_key import KeyScope
from tidemill.domain.errors import UsageError
from tidemill.recipes.routes import Routes, RoutesFactory
from tidemill.serving import ServerParts
from tidemill.settings import Settings
from tidemill.web.access import OPEN_PATHS, SAFE_METHODS, AccessControl, answer_escaped
from tidemill.web.access_log import AccessLog
from tidemill.web.admin_routes import ADMIN_SCOPES, build_model_routes, build_review_routes
from tidemill.web.admission import Admission, BodyLimits, divide_limits
from tidemill.web.batcher import Batcher
from tidemill.web.caller import Caller
from tidemill.web.document import Access, install_document
from tidemill.web.errors import ErrorGuard, install_handlers
from tidemill.web.explain import EXPLAIN_PATH, Explainer, build_explain_route
from tidemill.web.exposure import public_scopes, require_keys
from tidemill.web.feedback import FEEDBACK_PATH, build_feedback_route
from tidemill.web.files import refuse_doubled_fields, refuse_extra_files
from tidemill.web.golden_check import GoldenChecker
from tidemill.web.head import HeadRequests
from tidemill.web.hot_path import HotPath
from tidemill.web.keyring import Keyring
from tidemill.web.meter import Meter
from tidemill.web.metrics import Metrics, build_metrics_route
from tidemill.web.openinference import (
    INFER_TEMPLATES,
    build_inference_routes,
    golden_request,
    infer_path,
)
from tidemill.web.predict import PATH as PREDICT_PATH
from tidemill.web.predict import build_predict_endpoint, build_predict_route
from tidemill.web.read_routes import build_ledger_routes, build_loop_routes, build_server_routes
from tidemill.web.reader import Reader
from tidemill.web.recipe_server import RecipeServer
from tidemill.web.refusals import RefusalLog
from tidemill.web.request_ids import RequestIds
from tidemill.web.shared_metrics import SharedMetrics
from tidemill.web.shared_rates import SharedRates
from tidemill.web.slots import Slots
from tidemill.web.watch import Watch
from tidemill.web.worker import Worker

SERVER_PATHS = ("/v1/", "/v2", "/metrics", "/docs", "/openapi.json")
"""The prefix of the paths of the server's own routes."""
MAX_STARTING_JSON = 64 << 10
"""Bytes of a JSON body before a model is served; no route takes more then."""

# The whole body is in memory and bounded when a form is read, so no part goes to a file.
MultiPartParser.spool_max_size = BodyLimits().body


def create_app(
    parts: ServerParts, routes: RoutesFactory, *, worker: Worker | None = None
) -> FastAPI:
    """Return the app of one server process. Its lifespan starts and stops the threads it needs.

    `worker` is what it shares with other processes behind its port. `app.state` has its parts, each
    by the name of its class, for tests. Raises UsageError when others can reach the server and
    there is no API key, when a POST route of the recipe has no golden request, when a route takes a
    path of the server's, or when a metric takes a name of the server's.
    """
    settings = parts.settings
    keyring = Keyring(parts.ledger, parts.clock, SharedRates(worker.folder) if worker else None)
    keyring.refresh()
    require_keys(settings, has_key=keyring.has_valid)
    refusals = RefusalLog(parts.ledger, parts.clock, parts.server)
    access_log = AccessLog(settings.access_log)
    numbers = Metrics()
    reader = Reader(workers=max(1, available_processors() // settings.workers))
    limits = divide_limits(BodyLimits(), settings.workers)
    shared = SharedMetrics(numbers, worker.folder, worker.name) if worker else None
    batcher = Batcher(
        server=parts.server,
        clock=parts.clock,
        traffic=parts.traffic,
        reader=reader,
        batch=settings.batch,
        queue=settings.queue,
        request_payloads=settings.request_payloads,
        delay_s=settings.batch_delay_ms / 1_000,
        on_batch=numbers.count,
        on_stage=numbers.observe_stage,
    )

    explainer = Explainer()

    starts: list[Callable[[], None]] = []
    ends: list[Callable[[], None]] = []
    app = FastAPI(
        title=f"Tidemill: {parts.recipe}",
        version=__version__,
        description="Predictions, their lineage, and the decisions in the ledger.",
        lifespan=lambda _: _running(starts, ends),
        docs_url=None,
        redoc_url=None,
        # A redirect would be a failure without the JSON shape of failures.
        redirect_slashes=False,
        openapi_url=None,
        # Nothing is sent to anybody, and to look whether it should be takes time at each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    checker = GoldenChecker(app, max_payloads=batcher.max_payloads)
    slots = Slots(
        parts.ledger,
        parts.clock,
        parts.load,
        checker,
        poll=timedelta(milliseconds=settings.poll_ms),
    )
    watch = Watch(batcher.check_log, slots.check_bundle)
    # Apart, because a disk that hangs must not keep a model that hangs running.
    runs = Watch(batcher.look_after, explainer.look_after, name="runs")
    starts += [part.start for part in (keyring, refusals, batcher, slots, watch, runs)]
    # In this order: a running golden check still needs predictions until it has ended.
    ends += [
        watch.close,
        runs.close,
        checker.stop,
        batcher.end_golden_run,
        slots.close,
        batcher.close,
    ]
    ends += [part.close for part in (keyring, refusals, access_log, explainer, reader)]
    if shared is not None:
        writing = Watch(shared.write, name="metrics", warning="The metrics cannot be written")
        starts.append(writing.start)
        # Last, so that nothing is counted after it.
        ends += [writing.close, shared.write]
    server = RecipeServer(parts, slots, batcher, reader)
    recipe = _require_checkable(routes(server))
    checker.many_requests = (golden_request(parts.recipe),)
    checker.golden_requests = recipe.golden_requests
    server.checked_routes = checker.checked_routes
    numbers.watch(lambda: batcher.waiting, lambda: slots.state, server.ready)
    numbers.add(recipe.collectors)

    path_scopes = {**_path_scopes(recipe), infer_path(parts.recipe): "predict"}
    predict = build_predict_endpoint(server)
    for router in (
        build_predict_route(predict),
        build_inference_routes(parts.recipe, server, slots),
        build_explain_route(server, explainer),
        build_feedback_route(server),
        build_server_routes(parts, slots, server.readiness),
        build_ledger_routes(parts),
        build_loop_routes(parts),
        build_model_routes(parts),
        build_review_routes(parts, partial(_import_feedback, settings)),
        build_metrics_route(shared.render if shared else numbers.render),
    ):
        app.include_router(router)
    document = install_document(
        app,
        lambda: slots.state,
        batcher.max_payloads,
        Access(OPEN_PATHS, partial(_needs_key, public_scopes(settings), path_scopes)),
    )
    app.include_router(
        recipe.router,
        tags=[parts.recipe],
        dependencies=[Depends(refuse_extra_files), Depends(refuse_doubled_fields)],
    )

    install_handlers(app)
    app.add_exception_handler(Exception, answer_escaped)
    app.add_middleware(HotPath, path=PREDICT_PATH, endpoint=predict)
    app.add_middleware(HeadRequests)
    app.add_middleware(Admission, limits=limits, json_limit=lambda: _json_limit(slots))
    app.add_middleware(ErrorGuard)
    # Outside the guard, so that its answers carry the headers, too.
    app.add_middleware(
        AccessControl,
        settings=settings,
        keyring=keyring,
        refusals=refusals,
        path_scopes=path_scopes,
        refresh_paths=recipe.silent_paths,
    )
    app.add_middleware(Meter, metrics=numbers)
    app.add_middleware(RequestIds, log=access_log)
    for part in (batcher, document, keyring, reader, refusals, slots, watch):
        setattr(app.state, type(part).__name__.lower(), part)
    return app


@asynccontextmanager
async def _running(
    starts: Sequence[Callable[[], None]], ends: Sequence[Callable[[], None]]
) -> AsyncIterator[None]:
    """Start the parts of an app, and end them with it."""
    for start in starts:
        start()
    yield
    for end in ends:
        end()


def _import_feedback(settings: Settings, caller: Caller) -> dict[str, Any]:
    """Import feedback for a caller, in whose name. Raises UsageError without a database."""
    if settings.feedback_database is None:
        raise UsageError(
            "The server has no feedback database.",
            hint="Start it with TIDEMILL_FEEDBACK_DATABASE=ADDRESS.",
        )
    return pull_feedback(settings.home, settings.variables() | {"TIDEMILL_ACTOR": caller.actor})


def _needs_key(
    public: Collection[str], path_scopes: Mapping[str, KeyScope], method: str, path: str
) -> bool:
    """Return True when a client without a key is refused, as AccessControl refuses it."""
    scope = None if method in SAFE_METHODS else path_scopes.get(path)
    if path in INFER_TEMPLATES:
        scope = "predict"
    return not public if scope is None else not {scope, "admin"} & {*public}


def _path_scopes(recipe: Routes) -> Mapping[str, KeyScope]:
    """Return the scope that a changing request to each path needs."""
    predicting = {request.path for request in recipe.golden_requests}
    return {
        **dict.fromkeys((PREDICT_PATH, EXPLAIN_PATH, *predicting), "predict"),
        FEEDBACK_PATH: "feedback",
        **ADMIN_SCOPES,
    }


def _json_limit(slots: Slots) -> int:
    """Return how large a JSON body for the served model may be."""
    champion = slots.state.champion
    return champion.predictor.codec.payload.json_limit if champion else MAX_STARTING_JSON


def _require_checkable(recipe: Routes) -> Routes:
    """Return the recipe's routes, or raise UsageError when the server could not check them.

    RecipeServer refuses predictions to every route without a golden request. This check shows the
    author of a recipe the mistake at the start.
    """
    paths = [str(getattr(route, "path", "")) for route in recipe.router.routes]
    posts = {
        path
        for path, route in zip(paths, recipe.router.routes, strict=True)
        if "POST" in (getattr(route, "methods", None) or ())
    }
    checked = {request.path for request in recipe.golden_requests if request.method == "POST"}
    silent = set(recipe.silent_paths)
    if unchecked := sorted(posts - checked - silent):
        raise UsageError(
            f"POST {', '.join(unchecked)} has no golden request, so nothing checks its answers.",
            hint="Return a GoldenRequest for it from the recipe's routes, or name it in "
            "`silent_paths`.",
        )
    if wrong := sorted((silent & checked) | (silent - posts)):
        raise UsageError(
            f"{', '.join(wrong)} cannot be silent: it takes no POST, or has a golden request."
        )
    if reserved := [path for path in paths if path.startswith(SERVER_PATHS)]:
        raise UsageError(f"{', '.join(reserved)} belongs to the server, not to a recipe.")
    return recipe
