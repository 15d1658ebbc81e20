"""The lucky system's own HTTP routes, for the clients and load tests that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from tidemill.codecs.text import TextPayload
from tidemill.domain.errors import BadPayload
from tidemill.domain.types import Prediction
from tidemill.recipes.routes import GoldenRequest, Routes, Server, ShownAnswer, prediction_headers

TARGET = "answer"
Word = Literal["yes", "no"]
ASK, TELL = "/ask_model", "/submit_feedback"


class Question(BaseModel):
    question: str


class Chances(BaseModel):
    yes: float
    no: float


class Oracle(BaseModel):
    """How likely each of the two answers is."""

    probs: Chances


class Thanks(BaseModel):
    """What was said has been kept."""

    status: Literal["success"] = "success"


def oracle(prediction: Prediction) -> Oracle:
    """The response to one question, by the names of the labels and never by their order."""
    answer = next(answer for answer in prediction.answers if answer.target == TARGET)
    named = answer.probabilities
    return Oracle(probs=Chances(yes=named["yes"], no=named["no"]))


def build(server: Server) -> Routes:
    """`GET /`, `POST /ask_model/` and `POST /submit_feedback/`, over one target named `answer`.

    The paths end in a slash as the original's do; without it they are the same routes.
    """
    router = APIRouter()

    @router.get("/", summary="Leads to the list of routes.", status_code=307)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @router.post(ASK, include_in_schema=False)
    @router.post(f"{ASK}/", summary="Answer one question with yes or no.")
    async def ask(
        request: Request,
        response: Response,
        body: Question | None = None,
        question: Annotated[str | None, Query(description="In place of a JSON body.")] = None,
    ) -> Oracle:
        asked = _either(request, question, body)
        [prediction] = await server.predict(request, [TextPayload(text=asked).to_bytes()])
        response.headers.update(prediction_headers(prediction))
        return oracle(prediction)

    @router.post(TELL, include_in_schema=False)
    @router.post(f"{TELL}/", summary="Say what the right answer to a question was.")
    async def tell(request: Request, prompt: str, label: Word) -> Thanks:
        _must_be_utf8(request)
        await server.record_feedback(request, TextPayload(text=prompt).to_bytes(), {TARGET: label})
        return Thanks()

    return Routes(
        router,
        # One asks the path as the original has it, the other the other form and spelling.
        golden_requests=(
            GoldenRequest(
                f"{ASK}/", lambda payload: {"params": {"question": payload.decode()}}, _read_answers
            ),
            GoldenRequest(
                ASK, lambda payload: {"json": {"question": payload.decode()}}, _read_answers
            ),
        ),
        silent_paths=(TELL, f"{TELL}/"),
    )


def _either(request: Request, question: str | None, body: Question | None) -> str:
    """The one question that was asked. Raises RequestValidationError (422), BadPayload."""
    if (question is None) == (body is None):
        place = ("query", "question")
        said = "The question is needed once, as a parameter or in a JSON body"
        raise RequestValidationError([{"type": "missing", "loc": place, "msg": said}])
    if body is not None:
        return body.question
    _must_be_utf8(request)
    return question or ""


def _must_be_utf8(request: Request) -> None:
    """Refuse what the web framework would read with replacement characters in it."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise BadPayload(
            "The query is not UTF-8.", hint="Encode the text as UTF-8, then escape it."
        ) from error


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    chances = {"yes": body["probs"]["yes"], "no": body["probs"]["no"]}
    return [(TARGET, max(chances, key=lambda word: chances[word]), chances)]
