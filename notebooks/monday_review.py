import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Monday review")

with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page
    from pipelines.notebooks.filters import ALL, condition, in_words, one_of
    from pipelines.notebooks.warehouse import opened
    from pipelines.report import questions
    from pipelines.report.answers import as_count, as_day, as_hours, as_share
    from pipelines.report.charts import failures_by_category
    from pipelines.report.layout import Card, Column, number


@app.cell
def _():
    published = opened()
    return (published,)


@app.cell
def _(published):
    page.opening(
        "monday_review",
        "What happened in the last 7 days, what needs somebody, and what it costs. Each line leads to the notebook that says more.",
        published,
    )
    return


@app.cell
def _(published):
    def values_of(column):
        sql = f"select distinct {column} from marts.recent_test_runs where {column} is not null order by 1 limit 200"
        return [ALL, *published.values(sql)]

    filters = mo.ui.dictionary(
        {
            "connection": mo.ui.dropdown(values_of("connection"), value=ALL, label="Connection"),
            "project": mo.ui.dropdown(values_of("project_name"), value=ALL, label="Project"),
            "team": mo.ui.dropdown(values_of("team"), value=ALL, label="Team"),
            "system": mo.ui.dropdown(values_of("os"), value=ALL, label="OS"),
        }
    )
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters):
    chosen = filters.value
    these_runs = condition(chosen, connection="connection", project="project_name", team="team", system="os")
    these_tests = one_of("test_id", "marts.recent_test_runs", these_runs)
    these_devices = condition(chosen, connection="connection", system="os")
    of_what = in_words(chosen, "connection", "project", "team", "system")
    of_devices = in_words(chosen, "connection", "system")
    last_day = "(select max(date) from marts.recent_test_runs)"
    return chosen, last_day, of_devices, of_what, these_devices, these_runs, these_tests


@app.cell
def _(last_day, published, these_devices, these_runs, these_tests):
    tests = published.ask(
        "tests_now",
        f"""
        select
            count(*) as tests, coalesce(sum(runs), 0)::bigint as runs,
            count(*) filter (where state = 'flaky') as flaky,
            count(*) filter (where is_quarantine_candidate) as candidates,
            count(*) filter (where state in ('broken', 'regressed')) as worse,
            count(*) filter (where state = 'broken') as broken,
            count(*) filter (where state = 'regressed') as regressed,
            sum(wasted_device_minutes) / 60 as wasted_hours
        from marts.test_flakiness
        where {these_tests}
        """,
    )
    week = published.ask(
        "week",
        f"""
        with weeks as (
            select *, date > {last_day} - 7 as is_this_week, run_status = 'failed' as is_failure
            from marts.recent_test_runs
            where {these_runs} and is_counted and date > {last_day} - 14
        )
        select
            {last_day} as last_day,
            count(*) filter (where is_this_week) as week_runs,
            count(*) filter (where is_this_week and is_failure) / nullif(count(*) filter (where is_this_week), 0) as failure_rate,
            count(*) filter (where not is_this_week and is_failure) / nullif(count(*) filter (where not is_this_week), 0) as failure_rate_before
        from weeks
        """,
    )
    devices = published.ask(
        "devices_week",
        f"""
        with weeks as (
            select *, date > {last_day} - 7 as is_this_week
            from marts.device_utilization_daily
            where {these_devices} and date between {last_day} - 13 and {last_day}
        )
        select
            sum(busy_seconds) filter (where is_this_week)
                / nullif(sum(busy_seconds + idle_seconds) filter (where is_this_week), 0) as utilization,
            sum(busy_seconds) filter (where not is_this_week)
                / nullif(sum(busy_seconds + idle_seconds) filter (where not is_this_week), 0) as utilization_before
        from weeks
        """,
    )
    summary = tests.rows[0] | week.rows[0]
    page.cards(
        [
            (
                week,
                [
                    Card(
                        week.question,
                        "failure_rate",
                        "of runs failed this week",
                        as_share,
                        "{failure_rate_before} in the week before",
                        as_share,
                    )
                ],
            ),
            (
                tests,
                [
                    Card(
                        tests.question,
                        "flaky",
                        "flaky tests",
                        as_count,
                        "of {tests}; {candidates} to quarantine",
                    ),
                    Card(
                        tests.question, "worse", "broken or regressed", as_count, "{broken} and {regressed}"
                    ),
                    Card(tests.question, "wasted_hours", "lost to flakes", as_hours, "device time, 30 days"),
                ],
            ),
            (
                devices,
                [
                    Card(
                        devices.question,
                        "utilization",
                        "of device time busy",
                        as_share,
                        "{utilization_before} in the week before",
                        as_share,
                    )
                ],
            ),
        ]
    )
    return (summary,)


@app.cell
def _(chosen, last_day, of_what, published, summary, these_devices, these_runs, these_tests):
    _outages = condition(chosen, connection="connection")
    attention = published.ask(
        "attention",
        f"""
        with new_failures as (
            select failure_id, count(*) as failures
            from marts.recent_test_runs
            where run_status in ('failed', 'blocked') and date > {last_day} - 7 and {these_runs}
                and failure_id in (select failure_id from marts.failure_reasons where is_new)
            group by failure_id
            having failures >= 3
            order by failures desc, failure_id
            limit 4
        ),
        found as (
            select 1 as place, 'regressed' as what, test_name as which, '../flakiness/?test=' || test_id as link,
                format('{{}} of {{}} runs failed; it changed after {{}}', failures, runs, strftime(changed_after, '%d %b')) as why,
                failures as weight
            from marts.test_flakiness
            where state = 'regressed' and {these_tests}
            union all
            select 2, 'new failure', regexp_replace(left(example_message, 90), '\\s+', ' ', 'g'),
                '../failures/?reason=' || failure_id,
                format('in {{}} runs, and never before these 7 days', failures), failures
            from new_failures
            inner join marts.failure_reasons using (failure_id)
            union all
            select 3, 'broken', test_name, '../flakiness/?test=' || test_id,
                format('all of {{}} runs failed', runs), runs
            from marts.test_flakiness
            where state = 'broken' and {these_tests}
            union all
            select 4, 'quarantine', test_name, '../flakiness/?test=' || test_id,
                format('flake rate {{:.0f}} to {{:.0f}}%, {{}} mixed builds of {{}}', 100 * flake_rate_low, 100 * flake_rate_high, mixed_builds, builds),
                flake_rate_low
            from marts.test_flakiness
            where is_quarantine_candidate and {these_tests}
            union all
            select 5, 'device', device_id, '../devices/',
                format('{{}} failures, where {{:.0f}} were to be expected', compared_failures, expected_failures), compared_failures
            from marts.device_health
            where is_unhealthy and device_id in (select device_id from marts.device_utilization_daily where {these_devices})
            union all
            select 6, scope || ' out', scope_id, '../devices/',
                format('{{}} failures in {{:.0f}} minutes on {{}}', failures, duration_seconds / 60, strftime(started_at, '%d %b')), failures
            from marts.outages
            where {_outages} and outage_date > {last_day} - 7 and failures > 0
        )
        select what, which, link, why
        from found
        qualify row_number() over (partition by what order by weight desc, which) <= 4
        order by place, weight desc, which
        limit 20
        """,
    )
    mo.vstack(
        [
            page.section("Needs attention"),
            page.table(
                f"{len(attention.rows)} things need somebody"
                if attention.rows
                else "Nothing needs attention",
                attention,
                [
                    Column("what", "what", is_short=True),
                    Column("which", "which", is_long=True, link="link"),
                    Column("why", "why"),
                ],
                says="At most four of a kind, the worst first.",
                of=f"n = {summary['runs']:,} counted runs of {summary['tests']:,} tests; {of_what}, up to {summary['last_day']:%d %b %Y}.",
                nothing="No test regressed, broke or is sure enough to be quarantined; nothing new fails; no device stands out.",
            ),
        ]
    )
    return


@app.cell
def _(of_what, published, summary, these_tests):
    cost = published.ask(
        "cost",
        f"""
        select
            test_name || '  (' || project_name || ', ' || connection || ')' as test, runs, flake_rate, wasted_device_minutes,
            saved_by_one_retry_minutes, sum(wasted_device_minutes) over () as all_minutes
        from marts.flake_cost
        where wasted_device_minutes > 0 and {these_tests}
        order by wasted_device_minutes desc, test
        limit 10
        """,
    )
    _share = cost.data["wasted_device_minutes"].sum() / cost.rows[0]["all_minutes"] if cost.rows else 0
    mo.vstack(
        [
            page.section("Flakes, and what they cost"),
            page.figure(
                f"{_share:.0%} of the lost time goes to {len(cost.rows)} tests"
                if cost.rows
                else "No time was lost",
                cost,
                charts.costs(cost.data) if cost.rows else None,
                says="Device minutes of failed attempts in builds that also passed, and of every attempt after the first failure.",
                of=f"n = {summary['tests']:,} tests; {of_what}, last 30 days.",
                nothing="No device time was lost to flakes.",
            ),
        ]
    )
    return


@app.cell
def _(chosen, last_day, of_devices, published, these_devices):
    _whole = chosen["system"] == ALL
    _those = condition(chosen, connection="connection", system="os")
    _total = "os = '*'" if _whole else "os <> '*'"
    _busy = "sum(peak_devices_busy)" if _whole else "sum(utilization * devices_available)"
    concurrency = published.ask(
        "concurrency",
        f"""
        with hours as (
            select hour, {_busy} as busy, sum(devices_available) as available
            from marts.fleet_concurrency_hourly
            where {_those} and {_total} and hour::date between {last_day} - 27 and {last_day}
            group by hour
        )
        select hour::date as date, max(busy) as busy, arg_max(available, busy) as available, count(*) as hours
        from hours
        group by date
        order by date
        """,
    )
    idle = published.ask(
        "idle",
        f"""
        select
            coalesce(max(model), 'unknown') as model, device_id, max(os) as os,
            sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0) as utilization,
            sum(busy_seconds) / 3600 as busy_hours, sum(reserved_idle_seconds) / 3600 as reserved_idle_hours
        from marts.device_utilization_daily
        where {these_devices} and date between {last_day} - 27 and {last_day}
        group by connection, device_id
        order by utilization nulls last, device_id
        limit 5
        """,
    )
    _most = max(concurrency.rows, key=lambda row: row["busy"], default=None)
    _hours = int(concurrency.data["hours"].sum()) if concurrency.rows else 0
    mo.vstack(
        [
            page.section("Devices"),
            page.figure(
                f"At most {_most['busy']:.0f} of {_most['available']:.0f} devices were busy at once"
                if _most
                else "No hours",
                concurrency,
                charts.concurrency(concurrency.data) if concurrency.rows else None,
                says=(
                    "Bars: the most busy at one instant of the day."
                    if _whole
                    else "Bars: busy in the day's busiest hour, on average."
                )
                + " Dashes: the devices available in that hour.",
                of=f"n = {_hours:,} hours; {of_devices}, last 28 days.",
                nothing="Nothing is known of devices of this choice.",
            ),
            page.table(
                "The least used devices",
                idle,
                [
                    Column("model", "model"),
                    Column("device_id", "device", is_long=True),
                    Column("os", "OS"),
                    number("utilization", "busy", as_share),
                    number("busy_hours", "busy time", as_hours),
                    number("reserved_idle_hours", "reserved, idle", as_hours),
                ],
                says="What could be given back, or used.",
                of=f"Of {of_devices}, last 28 days.",
                nothing="Nothing is known of devices of this choice.",
            ),
        ]
    )
    return


@app.cell
def _(last_day, of_what, published, these_runs):
    by_category = published.ask(
        "by_category",
        f"""
        select date, coalesce(failure_category, 'unknown') as category, count(*) as occurrences
        from marts.recent_test_runs
        where run_status in ('failed', 'blocked') and {these_runs}
        group by all
        order by date, category
        """,
    )
    growing = published.ask(
        "growing",
        f"""
        with weeks as (
            select
                failure_id, count(*) filter (where date > {last_day} - 7) as this_week,
                count(*) filter (where date <= {last_day} - 7) as week_before
            from marts.recent_test_runs
            where run_status in ('failed', 'blocked') and failure_id is not null and date > {last_day} - 14 and {these_runs}
            group by failure_id
            having this_week >= 5 and this_week > 1.5 * week_before
            order by this_week - week_before desc, failure_id
            limit 6
        ),
        reach as (
            select failure_id, count(distinct test_id) as tests
            from marts.recent_test_runs
            where failure_id in (select failure_id from weeks) and {these_runs}
            group by failure_id
        )
        select
            regexp_replace(left(example_message, 140), '\\s+', ' ', 'g') as message, '../failures/?reason=' || failure_id as link,
            category, first_seen_at, this_week, week_before, reach.tests
        from weeks
        inner join reach using (failure_id)
        inner join marts.failure_reasons using (failure_id)
        order by this_week - week_before desc, failure_id
        """,
    )
    _totals = by_category.data.groupby("category")["occurrences"].sum()
    mo.vstack(
        [
            page.section("Why tests fail"),
            page.figure(
                f"Most failures are of category {_totals.idxmax()}: {_totals.max():,} of {_totals.sum():,}"
                if len(_totals)
                else "No failures",
                by_category,
                failures_by_category(by_category.data) if by_category.rows else None,
                says="Failed and blocked runs of each day, by whose fault they were.",
                of=f"n = {int(_totals.sum()):,} failed runs of {of_what}, last 30 days.",
                nothing="No run of this choice failed.",
            ),
            page.table(
                "New or growing reasons" if growing.rows else "No reason grows",
                growing,
                [
                    Column("message", "message", is_long=True, link="link"),
                    Column("category", "category"),
                    Column("first_seen_at", "first seen", as_day, is_short=True),
                    number("this_week", "last 7 days", as_count),
                    number("week_before", "7 before", as_count),
                    number("tests", "tests", as_count),
                ],
                says="At least five in the last 7 days, and half as many again as in the 7 before.",
                of=f"n stands in each line; {of_what}.",
                nothing="None was seen five times in 7 days and half as often again as before.",
            ),
        ]
    )
    return


@app.cell
def _(published):
    freshness = published.answer(questions.FRESHNESS)
    caveats = published.answer(questions.CAVEATS)
    _late = max(freshness.rows, key=lambda row: row["lag_hours"] or 0, default=None)
    _hours = (_late or {}).get("lag_hours") or 0
    _behind = f"{_hours / 24:,.0f} days" if _hours > 48 else f"{_hours:,.1f} hours"
    mo.vstack(
        [
            page.section("How fresh and how complete this is"),
            page.table(
                f"{_late['connection']} is behind by {_behind}" if _late else "Nothing was read yet",
                freshness,
                [
                    Column("connection", "connection"),
                    Column("source", "source"),
                    Column("last_read_on", "last read", as_day, is_short=True),
                    number("lag_hours", "behind by", as_hours),
                    number("rows", "rows, 7 days", as_count),
                    number("rejected", "rejected", as_count),
                    number("failed", "failed reads", as_count),
                ],
                says="What was read of each system.",
                of="Of everything, last 7 days of reading.",
                nothing="Nothing was read yet.",
            ),
            page.table(
                "What these numbers do not know",
                caveats,
                [Column("what", "what"), number("n", "n", as_count), number("of", "of", as_count)],
                says="Each is left out, or counted apart, rather than guessed.",
                of="Of everything.",
                nothing="",
            ),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
