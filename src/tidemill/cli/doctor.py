"""`tidemill doctor`: look for what would keep Tidemill from working here.

It imports only what every installation has, so that it can say what is missing from this one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Annotated

import typer

import tidemill
from tidemill import errors
from tidemill.cli.main import EXIT_CODES
from tidemill.screen import OUT, Home, Json, emit
from tidemill.settings import Settings, read_settings
from tidemill.web.address import bind, read_server_id

SPACE_MB = 500
OLDEST_PYTHON = (3, 11)
SERVING = (
    "fastapi",
    "httptools",
    "httpx",
    "msgspec",
    "onnxruntime",
    "orjson",
    "PIL",
    "prometheus_client",
    "python_multipart",
    "sqlalchemy",
    "uuid_utils",
    "uvicorn",
)
TRAINING = (
    "alembic",
    "huggingface_hub",
    "hydra",
    "lightning",
    "matplotlib",
    "omegaconf",
    "onnx",
    "onnxscript",
    "pyarrow",
    "scipy",
    "tokenizers",
    "torch",
    "torch_geometric",
    "transformers",
)
"""What the extras `serve` and `train` install, by the names that are imported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of the machine, and its result."""

    name: str
    fine: bool
    sentence: str


def doctor(
    *,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Bring the ledger's schema up to date first.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look for what would keep Tidemill from working here; exit code 4 when something would.

    Example: tidemill doctor
    """
    settings = read_settings(home=home)
    if upgrade:
        tidemill.Workspace(settings.home).upgrade()
    findings = [_look(name, look, settings) for name, look in LOOKS.items()]
    if as_json:
        emit({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "[green]ok[/]  " if finding.fine else "[red]bad[/] "
            OUT.print(f"{mark} {finding.name}: ", end="")
            OUT.print(finding.sentence, markup=False, soft_wrap=True)
    bad = [finding.name for finding in findings if not finding.fine]
    if bad and as_json:
        # The one object on stdout says it all.
        raise typer.Exit(EXIT_CODES[errors.Unavailable])
    if bad:
        raise errors.Unavailable(
            f"Not in order: {', '.join(bad)}.", hint="The lines above say why."
        )


def _look(name: str, look: Callable[[Settings], Iterator[str]], settings: Settings) -> Finding:
    try:
        return Finding(name, True, " ".join(look(settings)))
    except errors.TidemillError as error:
        return Finding(name, False, f"{error.message} {error.hint}".strip())
    except OSError as error:
        return Finding(name, False, f"{error.strerror or error}")
    except ImportError as error:
        return Finding(name, False, f"{error.name or 'A part'} cannot be imported: {error}")


def supported(version: tuple[int, ...]) -> str:
    """The version in dots; refuses one that is older than the oldest supported Python."""
    dotted = ".".join(str(part) for part in version)
    if version < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        raise errors.Unavailable(
            f"Python {dotted} is running.", hint=f"Tidemill needs {oldest} or newer."
        )
    return dotted


def _python(_: Settings) -> Iterator[str]:
    yield f"{supported(sys.version_info[:3])}, {os.cpu_count()} processors"


def _installed(names: tuple[str, ...], extra: str) -> Callable[[Settings], Iterator[str]]:
    def look(_: Settings) -> Iterator[str]:
        if missing := _missing(names):
            raise errors.Unavailable(
                f"{', '.join(missing)} not installed.", hint=f"pip install 'tidemill[{extra}]'"
            )
        yield "installed"

    return look


def _missing(names: Iterable[str]) -> list[str]:
    return [name for name in names if find_spec(name) is None]


def _folder(settings: Settings) -> Iterator[str]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.home) as file:
        file.write(b"x")
    free = shutil.disk_usage(settings.home).free >> 20
    if free < SPACE_MB:
        raise errors.Unavailable(f"Only {free} MB are free in {settings.home}.")
    yield f"{settings.home} can be written, {free} MB free"


def _ledger(settings: Settings) -> Iterator[str]:
    if missing := _missing(SERVING + TRAINING):
        raise errors.Unavailable(f"Nobody can look without {', '.join(missing)}.")
    with tidemill.Workspace(settings.home) as workspace:
        if not workspace.exists:
            yield "none yet; `tidemill train coffee` makes one"
            return
        try:
            version = workspace.champion()
            workspace.predictor(version)
            yield f"schema is current, champion {version.id} opens and matches the ledger"
        except errors.NotFound as error:
            yield f"schema is current. {error.message}"


def _port(settings: Settings) -> Iterator[str]:
    try:
        bind(settings.host, settings.port).close()
    except errors.Unavailable as refusal:
        server = read_server_id(settings.host, settings.port, os.environ.get("TIDEMILL_KEY", ""))
        if not server:
            raise
        with tidemill.Workspace(settings.home) as workspace:
            if not workspace.has_server(server):
                raise errors.Unavailable(
                    f"Port {settings.port} of {settings.host} is taken by a Tidemill server of"
                    " another workspace.",
                    hint="Stop it, or choose another port with TIDEMILL_PORT.",
                ) from refusal
        yield f"{settings.host}:{settings.port} is taken by the server of this workspace"
        return
    yield f"{settings.host}:{settings.port} is free"


LOOKS = {
    "python": _python,
    "serving": _installed(SERVING, "serve"),
    "training": _installed(TRAINING, "train"),
    "workspace": _folder,
    "ledger": _ledger,
    "port": _port,
}


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
