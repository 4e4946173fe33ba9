import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Devices")

with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page, parts
    from pipelines.notebooks.filters import condition, days, in_words, offered
    from pipelines.notebooks.warehouse import opened
    from pipelines.report.answers import as_count, as_hours, as_minutes, as_share, as_time
    from pipelines.report.charts import calendar as calendar_chart
    from pipelines.report.layout import Column, number


@app.cell
def _():
    published = opened()
    page.opening(
        "devices",
        "A device is busy while a test run or a person uses it. Busy, over busy and idle, is its utilisation: time in which it was unavailable, or nothing is known of it, is left out.",
        published,
    )
    return (published,)


@app.cell
def _(published):
    filters = offered(
        published,
        "device_utilization_daily",
        "connection",
        "system",
        "location",
        days=days("Last", 28, 7, 14, 90),
    )
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters, published):
    chosen = filters.value
    these_devices = condition(chosen, "connection", "system", "location")
    these_days = published.in_last(chosen["days"])
    of_what = in_words(chosen, "connection", "system", "location")
    return chosen, of_what, these_days, these_devices


@app.cell
def _(chosen, of_what, published, these_days, these_devices):
    fleet = published.ask(
        "fleet",
        f"""
        with devices as (
            select
                connection, device_id, sum(busy_seconds) as busy, sum(idle_seconds) as idle,
                sum(reserved_idle_seconds) as reserved_idle, count(*) as device_days,
                sum(unavailable_seconds) / nullif(sum(observed_seconds), 0) as unavailable_share,
                sum(unavailable_seconds) as unavailable, sum(flagged_sessions) as flagged
            from marts.device_utilization_daily
            where {these_devices} and {these_days}
            group by connection, device_id
        )
        select
            count(*) as devices, coalesce(sum(device_days), 0)::bigint as device_days,
            sum(busy) / nullif(sum(busy + idle), 0) as utilization,
            count(*) filter (where busy < 0.01 * (busy + idle)) as hardly_used,
            sum(reserved_idle) / 3600 as reserved_idle_hours,
            sum(unavailable) / 3600 as unavailable_hours,
            coalesce(sum(flagged), 0)::bigint as flagged_sessions
        from devices
        """,
    )
    summary = fleet.rows[0]
    of = f"n = {summary['device_days']:,} days of {summary['devices']:,} devices; {of_what}, last {chosen['days']} days."
    page.cards(
        (
            fleet,
            [
                ("utilization", "of available time was busy", as_share, "{devices} devices"),
                ("hardly_used", "hardly used", as_count, "of {devices}: under 1% busy"),
                ("reserved_idle_hours", "reserved and not used", as_hours),
                (
                    "unavailable_hours",
                    "unavailable",
                    as_hours,
                    "{flagged_sessions} sessions without a sane end",
                ),
            ],
        )
    )
    return (of,)


@app.cell
def _(chosen, of_what, published, these_days, these_devices):
    calendar = published.ask(
        "calendar",
        f"""
        with busiest as (
            select connection, device_id
            from marts.device_utilization_daily
            where {these_devices} and {these_days}
            group by connection, device_id
            order by sum(busy_seconds) desc, device_id
            limit 30
        )
        select coalesce(max(model) || '  ' || right(device_id, 6), device_id) as device, date,
            any_value(utilization) filter (where unobserved_seconds <= observed_seconds / 2) as utilization,
            any_value(busy_seconds) / 3600 as busy_hours,
            any_value(test_runs) as test_runs
        from marts.device_utilization_daily
        inner join busiest using (connection, device_id)
        where {these_days}
        group by connection, device_id, date
        order by sum(sum(busy_seconds)) over (partition by connection, device_id) desc, device_id, date
        """,
    )
    _top = calendar.rows[0]["device"] if calendar.rows else ""
    mo.vstack(
        [
            page.section("How busy each device is"),
            page.figure(
                f"{' '.join(_top.split())} was the busiest" if calendar.rows else "No device was used",
                calendar,
                calendar_chart,
                says="A device per line, a day per column: the busy share of its available time. The thirty busiest; blank where most of the day was not observed.",
                of=f"n = {len(calendar.rows):,} device-days; {of_what}, last {chosen['days']} days.",
                nothing="No device of this choice was seen in these days.",
            ),
        ]
    )
    return


@app.cell
def _(chosen, of_what, published, these_days):
    by_hour = published.ask(
        "by_hour",
        f"""
        select
            isodow(hour) as day_number, dayname(hour)[:3] as weekday, hour(hour) as hour,
            sum(utilization * devices_available) / nullif(sum(devices_available), 0) as utilization,
            sum(devices_available) / count(distinct fleet.hour) as devices, count(distinct fleet.hour) as hours
        from marts.fleet_concurrency_hourly as fleet
        where {these_days} and {parts.fleets(chosen, "connection", "system", "location")}
        group by 1, 2, 3
        order by 1, 3
        """,
    )
    _hours = sum(row["hours"] for row in by_hour.rows)
    _full = max(by_hour.rows, key=lambda row: row["utilization"] or 0, default=None)
    mo.vstack(
        [
            page.section("Is the fleet large enough?"),
            page.beside(
                parts.at_once(published, chosen, chosen["days"], "connection", "system", "location"),
                page.figure(
                    f"Busiest on {_full['weekday']} at {_full['hour']}:00 UTC" if _full else "No hours",
                    by_hour,
                    charts.hours_of_week,
                    says="The busy share of available device time, by weekday and hour.",
                    of=f"n = {_hours:,} hours; {of_what}, last {chosen['days']} days.",
                ),
            ),
        ]
    )
    return


@app.cell
def _(of, published, these_days, these_devices):
    activity = published.ask(
        "activity",
        f"""
        with devices as (
            select
                coalesce(max(model) || '  ' || right(device_id, 6), device_id) as device,
                sum(busy_seconds) / 3600 as busy, sum(idle_seconds) / 3600 as idle,
                sum(unavailable_seconds) / 3600 as unavailable, sum(unobserved_seconds) / 3600 as unobserved
            from marts.device_utilization_daily
            where {these_devices} and {these_days}
            group by connection, device_id
            order by idle desc, device_id
            limit 30
        )
        select device, activity, hours,
            case activity when 'busy' then 1 when 'idle' then 2 when 'unavailable' then 3 else 4 end as place
        from devices unpivot (hours for activity in (busy, idle, unavailable, unobserved))
        order by sum(case when activity = 'idle' then hours end) over (partition by device) desc, device, place
        """,
    )
    _idlest = activity.rows[0] if activity.rows else None
    mo.vstack(
        [
            page.section("Idle and reserved"),
            page.figure(
                f"{' '.join(_idlest['device'].split())} was idle the longest" if _idlest else "No devices",
                activity,
                charts.activities,
                says="What each device's time went by with, the longest idle first; the first thirty.",
                of=of,
                nothing="No device of this choice was seen in these days.",
            ),
        ]
    )
    return


@app.cell
def _(of, published, these_days, these_devices):
    reserved = published.ask(
        "reserved",
        f"""
        select
            coalesce(max(model), 'unknown') as model, device_id, max(os) as os, max(location) as location,
            sum(reserved_idle_seconds) / 3600 as reserved_idle_hours, sum(busy_seconds) / 3600 as busy_hours,
            sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0) as utilization,
            sum(sessions)::bigint as sessions
        from marts.device_utilization_daily
        where {these_devices} and {these_days}
        group by connection, device_id
        having sum(reserved_idle_seconds) > 0
        order by reserved_idle_hours desc, device_id
        limit 10
        """,
    )
    page.table(
        "Reserved, and not used",
        reserved,
        [
            Column("model", "model"),
            Column("device_id", "device", is_long=True),
            Column("os", "OS"),
            Column("location", "location"),
            number("reserved_idle_hours", "reserved, idle", as_hours),
            number("busy_hours", "busy", as_hours),
            number("utilization", "busy share", as_share),
            number("sessions", "sessions", as_count),
        ],
        says="Reservations without a session in them, the longest first; the first ten.",
        of=of,
        nothing="No reservation went unused.",
    )
    return


@app.cell
def _(of_what, published, these_devices):
    health = published.ask(
        "health",
        f"""
        with described as (
            select connection, device_id, arg_max(model, date) as model
            from marts.device_utilization_daily
            where {these_devices}
            group by connection, device_id
        )
        select
            coalesce(model || '  ' || right(device_id, 6), device_id) as device, failure_ratio, failure_ratio_low, failure_ratio_high,
            compared_runs, compared_failures, expected_failures, compared_tests, q_value,
            case when is_unhealthy then 'unhealthy' else 'like the others' end as verdict,
            outages, outage_failures + other_lab_failures as lab_failures
        from marts.device_health
        inner join described using (connection, device_id)
        where failure_ratio_low > 0
        order by is_unhealthy desc, failure_ratio desc, device_id
        limit 30
        """,
    )
    _unhealthy = sum(row["verdict"] == "unhealthy" for row in health.rows)
    _runs = int(health.data["compared_runs"].sum())
    mo.vstack(
        [
            page.section(
                "Device health", "Whether tests fail more on a device than the same tests do elsewhere."
            ),
            page.figure(
                f"{_unhealthy} devices are unhealthy" if _unhealthy else "No device stands out",
                health,
                lambda rows: charts.ratios(
                    rows,
                    "device",
                    "failure_ratio",
                    "failures here, to those of the same tests elsewhere",
                    "compared_runs",
                    "verdict",
                    ("unhealthy", "like the others"),
                ),
                says="1 is a device like the others; the bar is the 90% interval. Failures of the lab and in outages are left out.",
                of=f"n = {_runs:,} compared runs on {len(health.rows)} devices; {of_what}, last 30 days.",
                nothing="Not enough runs: no device shares tests that now pass and now fail with another.",
            ),
        ]
    )
    return


@app.cell
def _(chosen, of_what, published):
    outages = published.ask(
        "outages",
        f"""
        select connection, scope, scope_id, started_at, duration_seconds / 60 as minutes, failures, evidence
        from marts.outages
        where {condition(chosen, "connection")} and {published.in_last(chosen["days"], "outage_date")}
        order by failures desc, started_at desc, scope_id
        limit 15
        """,
    )
    page.table(
        f"The lab was out: {len(outages.rows)} times or more"
        if len(outages.rows) == 15
        else f"{len(outages.rows)} outages",
        outages,
        [
            Column("scope", "of a"),
            Column("scope_id", "which"),
            Column("connection", "connection"),
            Column("started_at", "began (UTC)", as_time, is_short=True),
            number("minutes", "lasted", as_minutes),
            number("failures", "failures", as_count),
            Column("evidence", "seen by", is_long=True),
        ],
        says="By the failures that belong to them, which count against no test and no device; the first fifteen.",
        of=f"Of {of_what}, last {chosen['days']} days.",
        nothing="No outage was seen.",
    )
    return


if __name__ == "__main__":
    app.run()
