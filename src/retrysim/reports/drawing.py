"""SVG as text: a few elements with classes; what a class looks like is said in ``page/plots.css``."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Elements of SVG and the room they take, in pixels."""

    width: float
    height: float
    body: str

    def at(self, x: float, y: float) -> str:
        """The elements, moved."""
        return f'<g transform="translate({number(x)} {number(y)})">{self.body}</g>'

    def svg(self, label: str) -> str:
        """The drawing as an element of a page; ``label`` is what a screen reader says of it."""
        size = f'width="{number(self.width)}" height="{number(self.height)}"'
        box = f'viewBox="0 0 {number(self.width)} {number(self.height)}"'
        return f'<svg {size} {box} role="img" aria-label="{escape(label)}">{self.body}</svg>'


def number(value: float) -> str:
    """A coordinate with at most two decimals: ``12.5``, ``3``."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def rect(x: float, y: float, width: float, height: float, kind: str = "", more: str = "") -> str:
    shape = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return f"<rect {_class(kind)}{shape}{more}/>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f"<line {_class(kind)}{ends}/>"


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text {_class(kind)}x="{number(x)}" y="{number(y)}">{escape(words)}</text>'


def _class(kind: str) -> str:
    return f'class="{kind}" ' if kind else ""


def text_width(words: str, size: float = 11) -> float:
    """Roughly how wide a text is."""
    return len(words) * size * 0.6
