"""Of a set of texts one in forty has no label. Does the check say what the training will?

A recipe from outside gives such rows, as data that is labelled little by little has them. What the
check calls fine must train, or else the check must say so.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.cases.commands import environment, run
from tests.cases.data_commands import NO_NEAR_DUPLICATES
from tests.cases.names import NOTES_ENTRY_POINTS, NOTES_RECIPE
from tests.cases.rows import labelled_texts, write_csv
from tests.cases.verdict import falls_short, require

ROWS = 400


def install_recipe(folder: Path) -> dict[str, str]:
    """Write a package with the recipe `notes`, and return an environment that has it."""
    information = folder / "notes-0.1.dist-info"
    information.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: notes\nVersion: 0.1\n"
    (information / "METADATA").write_text(metadata, "utf-8")
    (information / "entry_points.txt").write_text(NOTES_ENTRY_POINTS, "utf-8")
    (folder / "notes.py").write_text(NOTES_RECIPE, "utf-8")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return environment(PYTHONPATH=path)


@falls_short("data", "the check of rows without a label ends with 0, their training with 3")
def test_a_check_and_a_training_agree_on_rows_without_a_label(tmp_path: Path, home: Path) -> None:
    env = install_recipe(tmp_path / "outside")
    file = write_csv(tmp_path / "rows.csv", labelled_texts(ROWS))
    data = ("notes", "data=files", f"data.path={file}", NO_NEAR_DUPLICATES)
    checked = run("data", "check", *data, home=home, env=env)
    trained = run("train", *data, home=home, env=env)
    sentences = [row["sentence"][:70] for row in checked.body.get("findings", [])]
    require(
        checked.exit_code != 0 or trained.exit_code == 0,
        f"the check ends with {checked.exit_code} and {'; '.join(sentences) or 'no finding'}; the"
        f" training with {trained.exit_code}: {trained.error_words}",
    )
