import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Monday review")

with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page, parts
    from pipelines.notebooks.filters import condition, devices_of, in_words, offered, tests_of
    from pipelines.notebooks.warehouse import opened
    from pipelines.report.answers import as_count, as_hours, as_share
    from pipelines.report.layout import Column, number
    from pipelines.report.sections import NOT_KNOWN, READ


@app.cell
def _():
    published = opened()
    page.opening(
        "monday_review",
        "What happened in the last 7 days, what needs somebody, and what it costs. Each line leads to the notebook that says more.",
        published,
    )
    return (published,)


@app.cell
def _(published):
    filters = offered(published, "recent_test_runs_daily", "connection", "project", "team", "system")
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters):
    chosen = filters.value
    these_runs = condition(chosen, "connection", "project", "team", "system")
    these_tests = tests_of(chosen)
    these_devices = condition(chosen, "connection", "system")
    of_what = in_words(chosen, "connection", "project", "team", "system")
    of_devices = in_words(chosen, "connection", "system")
    return chosen, of_devices, of_what, these_devices, these_runs, these_tests


@app.cell
def _(published, these_devices, these_runs, these_tests):
    now = published.ask(
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
            select runs, run_status = 'failed' as is_failure, {published.in_last(7)} as is_this_week
            from marts.recent_test_runs_daily
            where {these_runs} and is_counted and {published.in_last(14)}
        )
        select
            sum(runs) filter (where is_this_week and is_failure)
                / sum(runs) filter (where is_this_week) as failure_rate,
            sum(runs) filter (where not is_this_week and is_failure)
                / sum(runs) filter (where not is_this_week) as failure_rate_before
        from weeks
        """,
    )
    use = published.ask(
        "devices_week",
        f"""
        with weeks as (
            select *, {published.in_last(7)} as is_this_week
            from marts.device_utilization_daily
            where {these_devices} and {published.in_last(14)}
        )
        select
            sum(busy_seconds) filter (where is_this_week)
                / nullif(sum(busy_seconds + idle_seconds) filter (where is_this_week), 0) as utilization,
            sum(busy_seconds) filter (where not is_this_week)
                / nullif(sum(busy_seconds + idle_seconds) filter (where not is_this_week), 0) as utilization_before
        from weeks
        """,
    )
    summary = now.rows[0] | week.rows[0]
    _failed = "{failure_rate_before} in the week before"
    _busy = "{utilization_before} in the week before"
    page.cards(
        (week, [("failure_rate", "of runs failed this week", as_share, _failed, as_share)]),
        (
            now,
            [
                ("flaky", "flaky tests", as_count, "of {tests}; {candidates} to quarantine"),
                ("worse", "broken or regressed", as_count, "{broken} and {regressed}"),
                ("wasted_hours", "lost to flakes", as_hours, "device time, 30 days"),
            ],
        ),
        (use, [("utilization", "of device time busy", as_share, _busy, as_share)]),
    )
    return (summary,)


@app.cell
def _(chosen, of_what, published, summary, these_runs, these_tests):
    attention = published.ask(
        "attention",
        f"""
        with tests as (
            select *, '../flakiness/?test=' || test_id as link
            from marts.test_flakiness
            where {these_tests}
        ),
        new_failures as (
            select failure_id, sum(runs)::bigint as failures
            from marts.recent_test_runs_daily
            where {parts.FAILED} and {published.in_last(7)} and {these_runs}
                and failure_id in (select failure_id from marts.failure_reasons where is_new)
            group by failure_id
            having failures >= 3
        ),
        found as (
            select 1 as place, 'regressed' as what, test_name as which, link,
                format('{{}} of {{}} runs failed; it changed after {{}}', failures, runs, strftime(changed_after, '%d %b')) as why,
                failures as weight
            from tests
            where state = 'regressed'
            union all
            select 2, 'new failure', regexp_replace(left(example_message, 90), '\\s+', ' ', 'g'),
                '../failures/?reason=' || failure_id,
                format('in {{}} runs, and never before these 7 days', failures), failures
            from new_failures
            inner join marts.failure_reasons using (failure_id)
            union all
            select 3, 'broken', test_name, link, format('all of {{}} runs failed', runs), runs
            from tests
            where state = 'broken'
            union all
            select 4, 'quarantine', test_name, link,
                format('flake rate {{:.0f}} to {{:.0f}}%, {{}} mixed builds of {{}}', 100 * flake_rate_low, 100 * flake_rate_high, mixed_builds, builds),
                flake_rate_low
            from tests
            where is_quarantine_candidate
            union all
            select 5, 'device', device_id, '../devices/',
                format('{{}} failures, where {{:.0f}} were to be expected', compared_failures, expected_failures), compared_failures
            from marts.device_health
            where is_unhealthy and {devices_of(chosen)}
            union all
            select 6, scope || ' out', scope_id, '../devices/',
                format('{{}} failures in {{:.0f}} minutes on {{}}', failures, duration_seconds / 60, strftime(started_at, '%d %b')), failures
            from marts.outages
            where {condition(chosen, "connection")} and {published.in_last(7, "outage_date")} and failures > 0
        )
        select what, which, link, why, count(*) over () as things
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
                f"{attention.rows[0]['things']:,} things need somebody, these first"
                if attention.rows
                else "Nothing needs attention",
                attention,
                [
                    Column("what", "what", is_short=True),
                    Column("which", "which", is_long=True, link="link"),
                    Column("why", "why"),
                ],
                says="At most four of a kind, the worst first.",
                of=f"n = {summary['runs']:,} counted runs of {summary['tests']:,} tests; {of_what}, up to {published.last_day:%d %b %Y}.",
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
                charts.costs,
                says="Device minutes of failed attempts in builds that also passed, and of every attempt after the first failure.",
                of=f"n = {summary['tests']:,} tests; {of_what}, last 30 days.",
                nothing="No device time was lost to flakes.",
            ),
        ]
    )
    return


@app.cell
def _(chosen, of_devices, published, these_devices):
    idle = published.ask(
        "idle",
        f"""
        select
            coalesce(max(model), 'unknown') as model, device_id, max(os) as os,
            sum(busy_seconds) / nullif(sum(busy_seconds + idle_seconds), 0) as utilization,
            sum(busy_seconds) / 3600 as busy_hours, sum(reserved_idle_seconds) / 3600 as reserved_idle_hours
        from marts.device_utilization_daily
        where {these_devices} and {published.in_last(28)}
        group by connection, device_id
        order by utilization nulls last, device_id
        limit 5
        """,
    )
    mo.vstack(
        [
            page.section("Devices"),
            parts.at_once(published, chosen, 28, "connection", "system"),
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
def _(chosen, published):
    mo.vstack(
        [
            page.section("Why tests fail"),
            parts.by_category(published, chosen, 30),
            parts.moving_reasons(published, chosen, 3, leads_to="../failures/"),
        ]
    )
    return


@app.cell
def _(published):
    read = published.answer(READ.question)
    _late = max(read.rows, key=lambda row: row["lag_hours"] or 0, default=None)
    _hours = (_late or {}).get("lag_hours") or 0
    _behind = f"{_hours / 24:,.0f} days" if _hours > 48 else f"{_hours:,.1f} hours"
    mo.vstack(
        [
            page.section("How fresh and how complete this is"),
            page.of_report(
                READ,
                read,
                f"{_late['connection']} is behind by {_behind}" if _late else "Nothing was read yet",
            ),
            page.of_report(NOT_KNOWN, published.answer(NOT_KNOWN.question), NOT_KNOWN.title),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
