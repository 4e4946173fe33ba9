"""One look for every chart, of the report and of the notebooks: safe for colour-blind readers, on light and dark."""

from __future__ import annotations

from typing import Any

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#8a8a8a",
)  # fmt: skip
"""Okabe and Ito's palette; each can be told from the others with any kind of colour vision."""

CATEGORY_COLOURS = {
    "application": BLUE,
    "script": ORANGE,
    "test data": YELLOW,
    "environment": GREEN,
    "lab": RED,
    "orchestration": PURPLE,
    "unknown": GREY,
}
INK = "currentColor"
"""Charts are part of the page and take its ink, dark or light."""

_QUIET = {
    "labelColor": INK,
    "titleColor": INK,
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": 500,
}
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "Arial, Liberation Sans, sans-serif",
    "view": {"stroke": None},
    "axis": _QUIET
    | {"domain": False, "gridColor": INK, "gridOpacity": 0.12, "tickColor": INK, "tickOpacity": 0.3},
    "axisX": {"grid": False},
    "legend": _QUIET | {"orient": "top", "title": None, "symbolSize": 80},
    "range": {"category": [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY]},
    "header": _QUIET,
}
