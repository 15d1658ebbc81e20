"""`tidemill explain`: which parts of an image an answer rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemill import Explanation, Workspace, errors
from tidemill.screen import OUT, Home, Json, Stages, emit


def explain(
    files: Annotated[list[str], typer.Argument(help="Images, folders, or globs in quotes.")],
    *,
    out: Annotated[
        Path, typer.Option(help="Where the heat image goes, a PNG; a folder for several.")
    ],
    target: Annotated[
        str | None, typer.Option(help="What is asked about it.", show_default="the first")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Explain this one.", show_default="the answer")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Draw where covering an image takes the champion's answer away; nothing is logged.

    Example: tidemill explain leaf.jpg --out heat.png
    """
    rows = []
    with Workspace(home) as workspace, Stages("explain") as stages:
        paths = workspace.find_files(*files)
        places = _places(paths, out)
        for done, (path, place) in enumerate(zip(paths, places, strict=True), 1):
            explanation = workspace.explain(path, target=target, label=label)
            _write(place, explanation.image)
            rows.append((path, place, explanation))
            stages.step(done, len(paths))
    if as_json:
        entries = [_entry(*row) for row in rows]
        emit(entries[0] if len(entries) == 1 else {"explanations": entries})
        return
    for path, place, explanation in rows:
        OUT.print(_sentence(path, place, explanation), markup=False, soft_wrap=True)


def _places(paths: list[Path], out: Path) -> list[Path]:
    """Return the file of each heat image. Raises UsageError when two would share one."""
    if len(paths) == 1 and not out.is_dir():
        return [out]
    if out.is_file() or out.suffix:
        raise errors.UsageError(
            f"{len(paths)} images do not fit into {out}.", hint="Name a folder: --out heat"
        )
    places = [out / f"{path.stem}.png" for path in paths]
    if len(set(places)) < len(places):
        # Two folders may hold the same names.
        places = [out / "-".join((*path.parts[-2:-1], f"{path.stem}.png")) for path in paths]
    if len(set(places)) < len(places):
        raise errors.UsageError(
            "Two of the images have the same name.", hint="Explain one folder at a time."
        )
    return places


def _write(place: Path, image: bytes) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image)
    except OSError as error:
        raise errors.DataError(f"{place} cannot be written: {error.strerror}.") from error


def _entry(path: Path, place: Path, explanation: Explanation) -> dict[str, object]:
    row, column = explanation.strongest
    return {
        "version": explanation.version,
        "file": str(path),
        "out": str(place),
        "target": explanation.target,
        "label": explanation.label,
        "probability": explanation.probability,
        "drops": explanation.drops,
        "strongest": {"row": row, "column": column, "drop": explanation.drops[row][column]},
    }


def _sentence(path: Path, place: Path, explanation: Explanation) -> str:
    row, column = explanation.strongest
    rows, columns = len(explanation.drops), len(explanation.drops[0])
    return (
        f"{path}: {explanation.target}: {explanation.label} ({explanation.probability:.3f}), "
        f"answered by {explanation.version}. "
        f"Covering row {row + 1} of {rows}, column {column + 1} of {columns} takes "
        f"{explanation.drops[row][column]:.3f} of it away. {place} shows it."
    )


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)
