"""Pairs of texts that differ in one thing, drawn from the generators' own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidemill.data.random_stream import stream
from tidemill.recipes.lucky.sample import almanac
from tidemill.recipes.sentiment.sample import newsroom
from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.voice import PLAIN, Speaker, Words


class Move(NamedTuple):
    """Two texts that differ in one thing, and the label that the second makes more likely."""

    before: str
    after: str
    label: str


Kind = Callable[[Speaker], Move]


def draw(kind: Kind, count: int) -> list[Move]:
    """Return `count` moves of a kind, the same ones each time."""
    names = (("moves", kind.__name__, n) for n in range(count))
    return [kind(Speaker(Dice(stream(*name)), PLAIN)) for name in names]


def _figures(speaker: Speaker, before: str, after: str) -> tuple[str, str]:
    """Return two headlines about one figure."""
    company = f"{speaker.pick(newsroom.FIRST)} {speaker.pick(newsroom.SECOND)}"
    amount, period = speaker.dice.whole(1, 99), speaker.one_of(newsroom.PERIOD)
    end = f"EUR {amount}.5 mn in {period}."
    return f"{company}: {before} {end}", f"{company}: {after} {end}"


def _past(speaker: Speaker, verbs: Words) -> str:
    return speaker.pick(verbs).partition(":")[2]


def profit_falls(speaker: Speaker) -> Move:
    """A figure that should rise falls."""
    measure = speaker.pick(newsroom.GOOD)
    rose, fell = _past(speaker, newsroom.UP), _past(speaker, newsroom.DOWN)
    return Move(*_figures(speaker, f"{measure} {rose} to", f"{measure} {fell} to"), "negative")


def profit_rises(speaker: Speaker) -> Move:
    """The reverse."""
    before, after, _ = profit_falls(speaker)
    return Move(after, before, "positive")


def rise_is_denied(speaker: Speaker) -> Move:
    """A profit that rose did not rise."""
    measure = speaker.pick(newsroom.GOOD)
    base, _, past = speaker.pick(newsroom.UP).partition(":")
    phrases = f"{measure} {past} to", f"{measure} did not {base} to"
    return Move(*_figures(speaker, *phrases), "negative")


def fall_is_denied(speaker: Speaker) -> Move:
    """A profit that fell did not fall."""
    measure = speaker.pick(newsroom.GOOD)
    base, _, past = speaker.pick(newsroom.DOWN).partition(":")
    phrases = f"{measure} {past} to", f"{measure} did not {base} to"
    return Move(*_figures(speaker, *phrases), "positive")


def bad_news_is_added(speaker: Speaker) -> Move:
    """A firm with an unchanged figure also issues a profit warning."""
    same = f"{speaker.pick(newsroom.GOOD)} {speaker.pick(newsroom.FLAT)}"
    before, _ = _figures(speaker, same, same)
    return Move(before, f"{before} It issues a profit warning.", "negative")


def good_news_is_added(speaker: Speaker) -> Move:
    """It also wins an order."""
    before, _, _ = bad_news_is_added(speaker)
    return Move(before, f"{before} It wins an order worth EUR 9.5 mn.", "positive")


def debt_rises(speaker: Speaker) -> Move:
    """A figure that should fall rises: only the pair of words is bad news."""
    measure = speaker.pick(newsroom.BAD)
    rose, fell = _past(speaker, newsroom.UP), _past(speaker, newsroom.DOWN)
    return Move(*_figures(speaker, f"{measure} {fell} to", f"{measure} {rose} to"), "negative")


def _question(speaker: Speaker, before: str, after: str) -> tuple[str, str]:
    """Two questions of one person."""
    who = f"{speaker.one_of(almanac.NAME)} from {speaker.one_of(newsroom.CITY)}"
    start = f"{who} asks on {speaker.one_of(almanac.DAY)}:"
    return f"{start} {before}", f"{start} {after}"


def never_becomes_always(speaker: Speaker) -> Move:
    """Whether a thing pays taxes, whether it fits inside a barn."""
    thing = speaker.pick(almanac.THINGS[speaker.one_of(tuple(almanac.THINGS))])
    pattern = speaker.one_of(almanac.ASK)
    never, always = speaker.pick(almanac.NEVER), speaker.pick(almanac.ALWAYS)
    before, after = (pattern.format(thing=thing, holds=holds) for holds in (never, always))
    return Move(*_question(speaker, before, after), "yes")


def wrong_becomes_fine(speaker: Speaker) -> Move:
    """Whether one may lie to somebody, whether one may thank them."""
    pattern, who = speaker.one_of(almanac.MAY), speaker.one_of(almanac.WHO)
    wrong, fine = speaker.pick(almanac.WRONG), speaker.pick(almanac.FINE)
    before, after = (pattern.format(act=act.format(who=who)) for act in (wrong, fine))
    return Move(*_question(speaker, before, after), "yes")


def leave_is_not_given(speaker: Speaker) -> Move:
    """An act with permission becomes an act in secret."""
    pattern, who = speaker.one_of(almanac.MAY), speaker.one_of(almanac.WHO)
    act = speaker.pick(almanac.BORROW).format(who=who)
    leave, none = speaker.pick(almanac.WITH_LEAVE), speaker.pick(almanac.WITHOUT_LEAVE)
    before, after = (pattern.format(act=f"{act} {how}") for how in (leave, none))
    return Move(*_question(speaker, before, after), "no")


def question_is_turned(speaker: Speaker) -> Move:
    """Whether an act is all right, whether it is wrong."""
    fine = speaker.dice.chance(0.5)
    act = speaker.pick(almanac.FINE if fine else almanac.WRONG)
    act = act.format(who=speaker.one_of(almanac.WHO))
    may, may_not = speaker.one_of(almanac.MAY), speaker.one_of(almanac.MAY_NOT)
    before, after = may.format(act=act), may_not.format(act=act)
    return Move(*_question(speaker, before, after), "no" if fine else "yes")
