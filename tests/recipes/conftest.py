"""A server of files, for sources that fetch."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.recipes.sources import Shelf


@pytest.fixture
def shelf() -> Iterator[str]:
    Shelf.files = {}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
