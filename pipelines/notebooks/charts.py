"""The charts that only notebooks have. Each takes the rows of an answer; the theme is the report's."""

from __future__ import annotations

import altair as alt
import pandas as pd

from pipelines.report.charts import LEGEND, NAMES
from pipelines.report.theme import BLUE, GREY, INK, ORANGE, RED, SKY

_DAY = alt.X(
    "yearmonthdate(date):T", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True, labelSeparation=8)
)
_DATE = alt.Tooltip("yearmonthdate(date):T", title="day", format="%a %d %b %Y")
_SHARE = alt.Axis(format=".0%", tickCount=5)


def _count(column: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{column}:Q", title=title, format=",.0f")


def days(rows: pd.DataFrame, column: str, title: str, colour: str = ORANGE) -> alt.TopLevelMixin:
    """How many on each day."""
    return (
        alt.Chart(rows)
        .mark_bar(color=colour)
        .encode(x=_DAY, y=alt.Y(f"{column}:Q", title=title), tooltip=[_DATE, _count(column, title)])
        .properties(height=170)
    )


def failing_share(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """The failing share of each day's runs as dots, and of the seven days up to it as a line."""
    base = alt.Chart(rows).encode(x=_DAY)
    tooltip = [
        _DATE,
        _count("failures", "failed"),
        _count("runs", "runs"),
        alt.Tooltip("week_rate:Q", title="7 days", format=".1%"),
    ]
    return alt.layer(
        base.mark_circle(color=GREY, opacity=0.6, size=30).encode(
            y=alt.Y("failure_rate:Q", title="failed", axis=_SHARE), tooltip=tooltip
        ),
        base.mark_line(color=BLUE, strokeWidth=2.5).encode(y="week_rate:Q"),
    ).properties(height=170)


def ranking(tests: pd.DataFrame) -> alt.TopLevelMixin:
    """A test per line: its flake rate, the range in which the true one lies nine times of ten, and its n."""
    order = list(tests["test"])
    with_room_for_n = alt.Scale(domain=[0, 1.25 * tests["flake_rate_high"].max()], nice=False)
    base = alt.Chart(tests).encode(
        y=alt.Y("test:N", sort=order, title=None, axis=NAMES),
        color=alt.Color(
            "kind:N",
            legend=LEGEND,
            scale=alt.Scale(domain=["quarantine", "bound to a device", "other"], range=[RED, ORANGE, BLUE]),
        ),
        tooltip=[
            alt.Tooltip("test:N", title="test"),
            alt.Tooltip("flake_rate:Q", title="flake rate", format=".1%"),
            alt.Tooltip("flake_rate_low:Q", title="from", format=".1%"),
            alt.Tooltip("flake_rate_high:Q", title="to", format=".1%"),
            _count("flake_runs", "n"),
        ],
    )
    return alt.layer(
        base.mark_rule(strokeWidth=7, opacity=0.35).encode(
            x=alt.X(
                "flake_rate_low:Q",
                title="flake rate and its 90% interval",
                axis=_SHARE,
                scale=with_room_for_n,
            ),
            x2="flake_rate_high:Q",
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(x="flake_rate:Q", shape="kind:N"),
        base.mark_text(align="left", dx=8, fontSize=11).encode(
            x="flake_rate_high:Q", text="n_text:N", color=alt.value(INK)
        ),
    ).properties(height=alt.Step(22))


_RESULTS = {"passed": SKY, "mixed": ORANGE, "failed": RED}


def history(builds: pd.DataFrame) -> alt.TopLevelMixin:
    """A device per line, a CI build per mark: whether the test passed there, failed, or both."""
    order = list(builds.drop_duplicates("device")["device"])
    names = list(_RESULTS)
    return (
        alt.Chart(builds)
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            x=alt.X("started_at:T", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)),
            y=alt.Y("device:N", sort=order, title=None, axis=NAMES),
            color=alt.Color(
                "result:N", legend=LEGEND, scale=alt.Scale(domain=names, range=list(_RESULTS.values()))
            ),
            shape=alt.Shape(
                "result:N", scale=alt.Scale(domain=names, range=["circle", "diamond", "triangle-up"])
            ),
            tooltip=[
                alt.Tooltip("build:N", title="build"),
                alt.Tooltip("device:N", title="device"),
                alt.Tooltip("started_at:T", title="began", format="%d %b %H:%M"),
                alt.Tooltip("result:N", title="result"),
                _count("runs", "runs"),
                _count("failures", "failed"),
            ],
        )
        .properties(height=alt.Step(22))
    )


def hours_of_week(hours: pd.DataFrame) -> alt.TopLevelMixin:
    """A weekday per line, an hour per column: how much of the available device time was busy."""
    return (
        alt.Chart(hours)
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X(
                "hour:O",
                title="hour (UTC)",
                axis=alt.Axis(labelAngle=0, labelOverlap=True, labelSeparation=4),
            ),
            y=alt.Y("weekday:O", sort=alt.EncodingSortField("day_number"), title=None),
            color=alt.Color(
                "utilization:Q",
                scale=alt.Scale(scheme="cividis", domainMin=0),
                legend=alt.Legend(format=".0%", title="busy", gradientLength=160),
            ),
            tooltip=[
                alt.Tooltip("weekday:N"),
                alt.Tooltip("hour:O"),
                alt.Tooltip("utilization:Q", title="busy", format=".0%"),
                alt.Tooltip("devices:Q", title="devices available", format=".1f"),
            ],
        )
        .properties(height=alt.Step(20))
    )


def concurrency(days: pd.DataFrame) -> alt.TopLevelMixin:
    """The devices busy in each day's busiest hour, below those that were available in it."""
    base = alt.Chart(days).encode(
        x=_DAY,
        tooltip=[
            _DATE,
            alt.Tooltip("busy:Q", title="busy", format=".1f"),
            alt.Tooltip("available:Q", title="available", format=".1f"),
        ],
    )
    return alt.layer(
        base.mark_bar(color=BLUE).encode(y=alt.Y("busy:Q", title="devices")),
        base.mark_line(color=GREY, strokeDash=[4, 3], interpolate="step", strokeWidth=2).encode(
            y="available:Q"
        ),
    ).properties(height=190)


_ACTIVITIES = {"busy": BLUE, "idle": SKY, "unavailable": ORANGE, "unobserved": GREY}


def activities(shares: pd.DataFrame) -> alt.TopLevelMixin:
    """A device per line: what its time went by with, as shares."""
    names = list(_ACTIVITIES)
    order = list(shares.drop_duplicates("device")["device"])
    return (
        alt.Chart(shares)
        .mark_bar()
        .encode(
            x=alt.X("hours:Q", stack="normalize", title="share of its time", axis=_SHARE),
            y=alt.Y("device:N", sort=order, title=None, axis=NAMES),
            color=alt.Color(
                "activity:N",
                sort=names,
                legend=LEGEND,
                scale=alt.Scale(domain=names, range=list(_ACTIVITIES.values())),
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("device:N"),
                alt.Tooltip("activity:N"),
                alt.Tooltip("hours:Q", format=",.1f"),
            ],
        )
        .properties(height=alt.Step(18))
    )


def ratios(
    rows: pd.DataFrame, name: str, ratio: str, title: str, n_column: str, flag: str, words: tuple[str, str]
) -> alt.TopLevelMixin:
    """A thing per line: how many times as often as expected, with its interval; 1 is as everywhere."""
    order = list(rows[name])
    base = alt.Chart(rows).encode(
        y=alt.Y(f"{name}:N", sort=order, title=None, axis=NAMES),
        color=alt.Color(f"{flag}:N", legend=LEGEND, scale=alt.Scale(domain=list(words), range=[RED, GREY])),
        tooltip=[
            alt.Tooltip(f"{name}:N", title="of"),
            alt.Tooltip(f"{ratio}:Q", title=title, format=".2f"),
            alt.Tooltip(f"{ratio}_low:Q", title="from", format=".2f"),
            alt.Tooltip(f"{ratio}_high:Q", title="to", format=".2f"),
            _count(n_column, "n"),
        ],
    )
    across = alt.X(
        f"{ratio}_low:Q",
        title=title,
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(tickCount=5, format="~g"),
    )
    return alt.layer(
        alt.Chart(pd.DataFrame({"one": [1]})).mark_rule(color=INK, opacity=0.5).encode(x="one:Q"),
        base.mark_rule(strokeWidth=7, opacity=0.35).encode(x=across, x2=f"{ratio}_high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=f"{ratio}:Q",
            shape=alt.Shape(f"{flag}:N", scale=alt.Scale(domain=list(words), range=["diamond", "circle"])),
        ),
    ).properties(height=alt.Step(22))


def costs(tests: pd.DataFrame) -> alt.TopLevelMixin:
    """A test per line: the device minutes that its flakes took."""
    order = list(tests["test"])
    return (
        alt.Chart(tests)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("wasted_device_minutes:Q", title="device minutes lost in 30 days"),
            y=alt.Y("test:N", sort=order, title=None, axis=NAMES),
            tooltip=[
                alt.Tooltip("test:N"),
                _count("wasted_device_minutes", "minutes lost"),
                _count("runs", "runs"),
                alt.Tooltip("flake_rate:Q", title="flake rate", format=".1%"),
            ],
        )
        .properties(height=alt.Step(22))
    )
