"""The HTTP routes of the original lucky system, for its clients and load tests."""

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
YesNo = Literal["yes", "no"]
ASK_PATH, FEEDBACK_PATH = "/ask_model", "/submit_feedback"


class Question(BaseModel):
    """A question; empty where the parameter has it."""

    question: str = ""


class YesNoProbabilities(BaseModel):
    yes: float
    no: float


class AnswerProbabilities(BaseModel):
    """The probability of each of the two answers."""

    probs: YesNoProbabilities


class FeedbackResponse(BaseModel):
    """The feedback is stored."""

    status: Literal["success"] = "success"


def answer_probabilities(prediction: Prediction) -> AnswerProbabilities:
    """Return the response to one question. It uses the label names, never their order."""
    answer = next(answer for answer in prediction.answers if answer.target == TARGET)
    probabilities = answer.probabilities
    return AnswerProbabilities(
        probs=YesNoProbabilities(yes=probabilities["yes"], no=probabilities["no"])
    )


def build(server: Server) -> Routes:
    """Return `GET /`, `POST /ask_model/` and `POST /submit_feedback/`, for the target `answer`.

    The paths end in a slash, as in the original system. Without the slash they are the same routes.
    """
    router = APIRouter()

    @router.get(
        "/",
        summary="Redirect to the list of routes.",
        status_code=307,
        response_class=RedirectResponse,
    )
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @router.post(ASK_PATH, include_in_schema=False)
    @router.post(f"{ASK_PATH}/", summary="Answer one question with yes or no.")
    async def ask(
        request: Request,
        response: Response,
        body: Question | None = None,
        question: Annotated[
            str | None, Query(description="In place of a JSON body, or beside it.")
        ] = None,
    ) -> AnswerProbabilities:
        text = _require_question(request, question, body)
        [prediction] = await server.predict(request, [TextPayload(text=text).to_bytes()])
        response.headers.update(prediction_headers(prediction))
        return answer_probabilities(prediction)

    @router.post(FEEDBACK_PATH, include_in_schema=False)
    @router.post(f"{FEEDBACK_PATH}/", summary="Record the right answer to a question.")
    async def submit_feedback(request: Request, prompt: str, label: YesNo) -> FeedbackResponse:
        _require_utf8(request)
        await server.record_feedback(request, TextPayload(text=prompt).to_bytes(), {TARGET: label})
        return FeedbackResponse()

    return Routes(
        router,
        # The first uses the path and form of the original; the second the other path and form.
        golden_requests=(
            GoldenRequest(
                f"{ASK_PATH}/",
                lambda payload: {"params": {"question": payload.decode()}},
                _read_answers,
            ),
            GoldenRequest(
                ASK_PATH, lambda payload: {"json": {"question": payload.decode()}}, _read_answers
            ),
        ),
        silent_paths=(FEEDBACK_PATH, f"{FEEDBACK_PATH}/"),
    )


def _require_question(request: Request, question: str | None, body: Question | None) -> str:
    """Return the one question of a request. Raises RequestValidationError (422), BadPayload.

    The page of the original system sends both forms at once, so both may hold the same question.
    """
    written = body.question if body is not None else ""
    if question is None and not written:
        raise _wrong_question("Send the question as a parameter or in a JSON body")
    if question:
        _require_utf8(request)
    if question and written and question != written:
        raise _wrong_question("The parameter and the JSON body hold two questions")
    return question or written


def _wrong_question(message: str) -> RequestValidationError:
    field = ("query", "question")
    return RequestValidationError([{"type": "missing", "loc": field, "msg": message}])


def _require_utf8(request: Request) -> None:
    """Refuse a query that the web framework would decode with replacement characters."""
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise BadPayload(
            "The query is not UTF-8.", hint="Encode the text as UTF-8, then escape it."
        ) from error


def _read_answers(body: Any) -> Sequence[ShownAnswer]:
    probabilities = {"yes": body["probs"]["yes"], "no": body["probs"]["no"]}
    return [(TARGET, max(probabilities, key=lambda word: probabilities[word]), probabilities)]
