"""The same sentences in two normal forms of Unicode. Are they found to be the same?

One system writes é as one character, another as e and an accent. Nobody sees a difference.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from tests.cases.data_commands import NO_NEAR_DUPLICATES, check
from tests.cases.rows import words, write_csv
from tests.cases.verdict import falls_short, require

PLACES = words("Zürich Orléans Málaga Køge Łódź Besançon Düsseldorf Coruña Ålborg São")
FIRMS = words("Crédit Société Märkte Élan Peña Müller Übersee Forêt Café Régie")
COPIES = 20


@falls_short("data", "0 of 20 sentences that are there in two normal forms are found as duplicates")
def test_one_text_in_two_normal_forms_is_a_duplicate(tmp_path: Path, home: Path) -> None:
    texts = [f"{firm} a gagné {at} à {place}" for at, firm in enumerate(FIRMS) for place in PLACES]
    rows = [
        (unicodedata.normalize("NFC", text), ("down", "up")[at % 2])
        for at, text in enumerate(texts)
    ]
    rows += [(unicodedata.normalize("NFD", text), label) for text, label in rows[:COPIES]]
    file = write_csv(tmp_path / "rows.csv", rows)
    checked = check("sentiment", "files", file, NO_NEAR_DUPLICATES, home=home)
    duplicates = sum(row["kind"] == "identical" for row in checked.body["findings"])
    require(
        duplicates == COPIES,
        f"of {COPIES} sentences that are there twice, in two normal forms, {duplicates} are found",
    )
