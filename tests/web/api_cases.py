"""Requests that Schemathesis generates from the OpenAPI document of a running app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SLOW_PATHS = {"/v1/explain"}
"""One explanation asks the model hundreds of times."""


def send_cases(
    client: Any, count: int, *, headers: Mapping[str, str], seed: int = 0
) -> tuple[Counter[int], list[str]]:
    """Send about `count` requests, shared out among all operations; half of them break the schema.

    Returns how often each status came, and a sentence for each answer that the document forbids.
    """
    document = client.request("GET", "/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    taking = [each for each in operations if any(each.iter_parameters()) or each.body]
    share = -(-count // (2 * len(taking)))
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    for operation in operations:
        few = min(share, 5) if operation.path in SLOW_PATHS else share
        # An operation that takes nothing can be asked in one way, and in no wrong one.
        plans = [(mode, few) for mode in MODES] if operation in taking else [(MODES[0], 1)]
        for mode, cases in plans:
            # Where any text is right, such as an id in a path, nothing is wrong.
            with suppress(Unsatisfiable):
                for status, fault in _answers(client, operation, mode, cases, headers, seed):
                    statuses[status] += 1
                    faults += fault
    return statuses, faults


def _answers(
    client: Any,
    operation: Any,
    mode: GenerationMode,
    count: int,
    key: Mapping[str, str],
    seed: int,
) -> Iterator[tuple[int, list[str]]]:
    answers: list[tuple[int, list[str]]] = []

    @with_seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        wanted = requests.Request(**case.as_transport_kwargs(base_url="http://localhost"))
        request = wanted.prepare()
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        headers = {**request.headers, **key}
        response = client.request(request.method, request.url, content=content, headers=headers)
        try:
            case.validate_response(response, checks=_checks(request, response.status_code))
        except FailureGroup as group:
            answers.append((response.status_code, [_describe(request, group)]))
        else:
            answers.append((response.status_code, []))

    send()
    return iter(answers)


def _checks(request: requests.PreparedRequest, status: int) -> list[Any]:
    """A client that waits for a moment gets what it asked for, and that is no fault of the server.

    Only the status is exempt: the document names it, and its body has the form of failures.
    """
    hurried = status == 504 and "X-Request-Timeout" in request.headers
    return [check for check in CHECKS if not (hurried and check is not_a_server_error)]


def _describe(request: requests.PreparedRequest, group: FailureGroup) -> str:
    why = "; ".join(str(failure).replace("\n", " ")[:300] for failure in group.exceptions)
    kind = str(request.headers.get("Content-Type", ""))
    return f"{request.method} {str(request.url)[:200]} {kind} {request.body!r:.300}: {why}"
