"""The charts of the report; some are those of the notebooks too."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from pipelines.report.theme import BLUE, CATEGORY_COLOURS, CONFIG, GREY, INK, RED

WIDTH = 760


@alt.theme.register("flakehouse", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    return alt.theme.ThemeConfig(config=CONFIG)


def as_svg(chart: alt.TopLevelMixin) -> str:
    """The chart as a picture that is part of the page."""
    import vl_convert

    return vl_convert.vegalite_to_svg(chart.to_dict(), vl_version="v6_1")


NAMES = alt.Axis(labelLimit=alt.ExprRef("containerSize()[0] < 500 ? 130 : 300"))
"""Names of tests and devices: shortened on a telephone."""

LEGEND = alt.Legend(columns=alt.ExprRef("containerSize()[0] < 500 ? 2 : 0"))
"""In several lines on a telephone."""

_DAY = alt.X("yearmonthdate(date):T", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True))


def _dated(days: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(days)).astype({"date": "datetime64[ms]"})


def history(days: list[dict[str, Any]]) -> alt.TopLevelMixin:
    """A line of small bars: runs of each day in grey, the failed ones of them on top in colour."""
    base = alt.Chart(_dated(days)).encode(x=alt.X("yearmonthdate(date):T", axis=None))
    return alt.layer(
        base.mark_bar(color=GREY, opacity=0.35).encode(y=alt.Y("runs:Q", axis=None)),
        base.mark_bar(color=RED).encode(y=alt.Y("failures:Q", axis=None)),
    ).properties(width=150, height=26)


def occurrences(days: list[dict[str, Any]]) -> alt.TopLevelMixin:
    """A line of small bars: how often on each day."""
    base = alt.Chart(_dated(days)).encode(x=alt.X("yearmonthdate(date):T", axis=None))
    return (
        base.mark_bar(color=RED).encode(y=alt.Y("occurrences:Q", axis=None)).properties(width=150, height=26)
    )


def intervals(tests: pd.DataFrame) -> alt.TopLevelMixin:
    """A test per line: its flake rate, and the range in which the true one lies nine times of ten."""
    order = list(tests["test"])
    base = alt.Chart(tests).encode(y=alt.Y("test:N", sort=order, title=None, axis=NAMES))
    share = alt.Axis(format=".0%", tickCount=6)
    return alt.layer(
        base.mark_rule(strokeWidth=7, opacity=0.35, color=BLUE).encode(
            x=alt.X("flake_rate_low:Q", title="flake rate and its 90% interval", axis=share),
            x2="flake_rate_high:Q",
        ),
        base.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(x="flake_rate:Q"),
        base.mark_text(align="left", dx=8, fontSize=11, color=INK).encode(
            x="flake_rate_high:Q", text=alt.Text("n_text:N")
        ),
    ).properties(width=WIDTH - 330, height=alt.Step(22))


def runs_by_day(days: pd.DataFrame) -> alt.TopLevelMixin:
    """Runs that failed, of all that ran, day by day."""
    base = alt.Chart(days).encode(x=_DAY)
    return alt.layer(
        base.mark_bar(color=GREY, opacity=0.35).encode(y=alt.Y("runs:Q", title="test runs")),
        base.mark_bar(color=RED).encode(y="failures:Q"),
    ).properties(width=WIDTH, height=170)


def failures_by_category(days: pd.DataFrame) -> alt.TopLevelMixin:
    """Failed runs of each day, by whose fault they were."""
    known = list(CATEGORY_COLOURS)
    colours = alt.Scale(domain=known, range=list(CATEGORY_COLOURS.values()))
    return (
        alt.Chart(days)
        .mark_bar()
        .encode(
            x=_DAY,
            y=alt.Y("occurrences:Q", title="failed runs"),
            color=alt.Color("category:N", scale=colours, sort=known, legend=LEGEND),
            order=alt.Order("category:N"),
        )
        .properties(width=WIDTH, height=200)
    )


def calendar(device_days: pd.DataFrame) -> alt.TopLevelMixin:
    """A device per line, a day per column: how busy it was."""
    order = list(device_days.drop_duplicates("device")["device"])
    return (
        alt.Chart(device_days)
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X(
                "yearmonthdate(date):O",
                title=None,
                axis=alt.Axis(format="%d %b", labelOverlap=True, labelAngle=0),
            ),
            y=alt.Y("device:N", sort=order, title=None, axis=NAMES),
            color=alt.Color(
                "utilization:Q",
                scale=alt.Scale(scheme="cividis", domainMin=0),
                legend=alt.Legend(format=".0%", title="busy", gradientLength=200),
            ),
        )
        .properties(width=WIDTH - 250, height=alt.Step(16))
    )


def peaks(days: pd.DataFrame) -> alt.TopLevelMixin:
    """The most devices busy at one instant of each day, below those that could have been."""
    base = alt.Chart(days).encode(x=_DAY)
    return alt.layer(
        base.mark_line(color=GREY, strokeDash=[4, 3], interpolate="step").encode(
            y=alt.Y("devices_available:Q", title="devices")
        ),
        base.mark_bar(color=BLUE).encode(y="peak_devices_busy:Q"),
    ).properties(width=WIDTH, height=170)
