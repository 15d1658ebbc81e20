"""Somebody gives the same rollback twice, because the first command seemed to hang."""

from __future__ import annotations

from tests.cases.names import OpenLoop, TidemillError, pebbles
from tests.cases.verdict import falls_short, require


@falls_short("judge", "a second rollback serves the version again that the first took back")
def test_a_repeated_rollback_does_not_undo_itself(begin: OpenLoop) -> None:
    circle = begin()
    circle.predict(pebbles(250, 60, 1.0))
    circle.give_feedback(pebbles(300, 61, 1.0), actor="ann")
    circle.settle()
    circle.predict(pebbles(3, 62, 1.0))
    circle.settle()
    taken_back = circle.workspace.champion().id
    assert taken_back != "v1", "nothing was promoted, so nothing can be rolled back"
    circle.workspace.rollback(reason="it is bad")
    try:
        circle.workspace.rollback(reason="it is bad")
    except TidemillError as error:
        outcome = f"refused ({error.message})"
    else:
        outcome = "taken"
    served = circle.workspace.champion().id
    require(
        served == "v1",
        f"{taken_back} was taken back; the same command again was {outcome}, and {served} is"
        " served",
    )
