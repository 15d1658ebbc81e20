"""Reads a block of HTML as a strict parser does."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

SAFE_TAGS = {
    *("div", "style", "p", "strong", "span", "figure", "figcaption", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "h4"),
    *("svg", "title", "text", "rect", "path", "circle"),
}
"""Every tag that a block may have. None of them loads or runs anything."""
PLACES = {"x", "y", "cx", "cy", "r", "width", "height"}
"""Attributes of a figure that are numbers."""


def parse(html: str) -> ElementTree.Element:
    """The block as a tree. Fails for HTML that is no XML, and for a tag or attribute that acts."""
    root = ElementTree.fromstring(html)  # noqa: S314 - our own output, under test
    for node in root.iter():
        assert node.tag in SAFE_TAGS, node.tag
        names = set(node.attrib)
        assert not {name for name in names if name.startswith("on")}
        assert not names & {"id", "href", "src"}
        assert all(math.isfinite(float(node.attrib[name])) for name in names & PLACES)
        assert not {"nan", "inf"} & {*re.findall("[a-z]{3}", node.get("d", ""))}
        if node.tag == "style":
            assert "url(" not in (node.text or "")
            assert "@import" not in (node.text or "")
    return root


def text_of(node: ElementTree.Element) -> str:
    """The text that a reader sees, without the style sheet."""
    for style in [*node.iter("style")]:
        style.text = ""
    return " ".join(" ".join(node.itertext()).split())


def table_of(root: ElementTree.Element, number: int = 0) -> list[list[str]]:
    """The cells of a table, the head first."""
    table = [*root.iter("table")][number]
    return [["".join(cell.itertext()).strip() for cell in row] for row in table.iter("tr")]


def classes_of(root: ElementTree.Element, tag: str) -> list[str]:
    """The class of each element with this tag."""
    return [node.get("class", "") for node in root.iter(tag)]
