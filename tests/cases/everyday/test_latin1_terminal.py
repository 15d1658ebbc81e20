"""A terminal's encoding has no ellipsis and no box lines. Do the commands still end well?"""

from __future__ import annotations

from pathlib import Path

from tests.cases.commands import environment, exit_code, train_small
from tests.cases.verdict import require

COMMANDS = ("models list", "models card v1", "data list", "--help")
ENCODINGS = ("latin-1", "ascii")


def test_commands_end_well_in_any_encoding(home: Path) -> None:
    train_small("sentiment", home)
    own = {"TIDEMILL_HOME": str(home), "COLUMNS": "60"}

    def ended(command: str, encoding: str) -> int:
        env = environment(**own, PYTHONIOENCODING=encoding)
        return exit_code(*command.split(), env=env)

    assert [ended(command, "utf-8") for command in COMMANDS] == [0] * len(COMMANDS)
    broken = [
        f"{command} ({encoding}: {code})"
        for command in COMMANDS
        for encoding in ENCODINGS
        if (code := ended(command, encoding))
    ]
    require(
        not broken,
        f"{len(broken)} of {len(ENCODINGS) * len(COMMANDS)} end otherwise than in UTF-8:"
        f" {', '.join(broken)}",
    )
