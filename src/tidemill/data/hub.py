"""Build the URL of a file in a Hugging Face data set."""

from __future__ import annotations

import re
from urllib.parse import quote

from tidemill.domain.errors import UsageError

HOST = "https://huggingface.co"
REVISION = re.compile(r"[0-9a-f]{40}")


def hub_url(repository: str, revision: str, path: str, *, host: str = HOST) -> str:
    """Return the URL of one file of a data set repository (`google/boolq`) at one commit.

    Raises UsageError unless the revision is a whole commit id: a branch moves.
    """
    if not REVISION.fullmatch(revision):
        raise UsageError(
            f"{revision!r} is no revision of {repository}.",
            hint="Give the 40 hexadecimal digits of a commit.",
        )
    return f"{host}/datasets/{repository}/resolve/{revision}/{quote(path)}"
