import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Flakiness")


with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page
    from pipelines.notebooks.filters import days, in_words, literal, offered, tests_of
    from pipelines.notebooks.warehouse import opened
    from pipelines.report.answers import as_count, as_hours, as_minutes, as_share, as_time
    from pipelines.report.layout import Column, number


@app.cell
def _():
    published = opened()
    page.opening(
        "flakiness",
        "A flaky test passes and fails on the same build. Rates are of the 30 days up to each connection's last run.",
        published,
    )
    return (published,)


@app.cell
def _(published):
    filters = offered(
        published,
        "recent_test_runs_daily",
        "connection",
        "project",
        "team",
        "system",
        days=days("Trend over", 30, 7, 14, 90),
    )
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters):
    chosen = filters.value
    these_tests = tests_of(chosen)
    of_what = in_words(chosen, "connection", "project", "team", "system")
    return chosen, of_what, these_tests


@app.cell
def _(published, these_tests):
    now = published.ask(
        "flaky_now",
        f"""
        select
            count(*) as tests,
            coalesce(sum(runs), 0)::bigint as runs,
            count(*) filter (where state = 'flaky') as flaky,
            count(*) filter (where is_quarantine_candidate) as candidates,
            count(*) filter (where cause = 'device_bound') as device_bound,
            count(*) filter (where state = 'broken') as broken,
            count(*) filter (where state = 'regressed') as regressed,
            count(*) filter (where state = 'insufficient') as insufficient,
            sum(wasted_device_minutes) / 60 as wasted_hours,
            min(window_start) as first_day,
            max(window_end) as last_day
        from marts.test_flakiness
        where {these_tests}
        """,
    )
    summary = now.rows[0]
    window = (
        f"{summary['first_day']:%d %b} to {summary['last_day']:%d %b %Y}" if summary["tests"] else "no runs"
    )
    page.cards(
        (
            now,
            [
                ("flaky", "flaky tests", as_count, "of {tests}, in {runs} runs"),
                ("candidates", "to quarantine", as_count, "{device_bound} more are bound to a device"),
                ("broken", "broken", as_count, "{regressed} regressed"),
                ("insufficient", "with too few runs to say", as_count, "of {tests} tests"),
                ("wasted_hours", "of device time lost to flakes", as_hours, "in 30 days"),
            ],
        )
    )
    return summary, window


@app.cell
def _(chosen, of_what, published, these_tests):
    trend = published.ask(
        "trend",
        f"""
        with days as (
            select date, sum(runs) as runs, sum(failures) as failures, sum(mixed_builds) as mixed_builds
            from marts.test_flakiness_daily
            where {published.in_last(chosen["days"] + 6)} and {these_tests}
            group by date
        )
        select
            date, runs::bigint as runs, failures::bigint as failures, mixed_builds::bigint as mixed_builds,
            failures / runs as failure_rate,
            sum(failures) over week / sum(runs) over week as week_rate
        from days
        window week as (order by date range between interval 6 days preceding and current row)
        qualify {published.in_last(chosen["days"])}
        order by date
        """,
    )
    _runs, _mixed = (int(trend.data[column].sum()) for column in ("runs", "mixed_builds"))
    _of = f"n = {_runs:,} counted runs of {of_what}, last {chosen['days']} days."
    mo.vstack(
        [
            page.section("Is it getting better?"),
            page.beside(
                page.figure(
                    f"{_mixed:,} builds disagreed with themselves",
                    trend,
                    lambda rows: charts.days(rows, "mixed_builds", "mixed builds"),
                    says="A test that passed and failed on one build: the proof of flakiness, on the day it showed.",
                    of=_of,
                ),
                page.figure(
                    f"{trend.rows[-1]['week_rate']:.1%} of runs failed in the last 7 days"
                    if trend.rows
                    else "No runs",
                    trend,
                    charts.failing_share,
                    says="Each day as a dot, the seven days up to it as the line.",
                    of=_of,
                ),
            ),
        ]
    )
    return


@app.cell
def _(of_what, published, summary, these_tests, window):
    ranking = published.ask(
        "ranking",
        f"""
        select
            test_name || '  (' || project_name || ', ' || connection || ')' as test,
            flake_rate, flake_rate_low, flake_rate_high, flake_runs, 'n = ' || flake_runs as n_text,
            case when is_quarantine_candidate then 'quarantine'
                when cause = 'device_bound' then 'bound to a device' else 'other' end as kind
        from marts.test_flakiness
        where state = 'flaky' and {these_tests}
        order by flake_rate_low desc, test_name, connection
        limit 20
        """,
    )
    page.figure(
        f"{summary['flaky']} of {summary['tests']} tests are flaky",
        ranking,
        charts.ranking,
        says="Worst first by the lower end of the interval: what is certain comes before what is merely high. The first twenty.",
        of=f"n is the number of runs behind each rate; {of_what}, {window}.",
        nothing=f"No test of {of_what} has shown itself flaky. {summary['insufficient']} of {summary['tests']} have not enough runs to say.",
    )
    return


@app.cell
def _(of_what, published, these_tests, window):
    quarantine = published.ask(
        "quarantine",
        f"""
        select
            test_name, project_name || ', ' || connection as place, '?test=' || test_id as link,
            flake_rate, format('{{:.0f}} to {{:.0f}}%', 100 * flake_rate_low, 100 * flake_rate_high) as interval,
            runs, failures, mixed_builds, coalesce(cause, 'not known') as cause, clean_runs_to_clear, wasted_device_minutes
        from marts.test_flakiness
        where is_quarantine_candidate and {these_tests}
        order by flake_rate_low desc, test_name, connection
        limit 15
        """,
    )
    page.table(
        f"Quarantine {quarantine.rows[0]['test_name']} first" if quarantine.rows else "Nothing to quarantine",
        quarantine,
        [
            Column("test_name", "test", beneath="place", link="link"),
            number("flake_rate", "flake rate", as_share),
            Column("interval", "90% interval", is_short=True),
            number("runs", "runs", as_count),
            number("failures", "failed", as_count),
            number("mixed_builds", "mixed builds", as_count),
            Column("cause", "cause"),
            number("clean_runs_to_clear", "clean runs to clear", as_count),
            number("wasted_device_minutes", "lost", as_minutes),
        ],
        says="Passed and failed on the same build at least twice, surely above 1%, and not for one device's sake. A test has earned its way back after as many clean runs in a row as stand there.",
        of=f"n stands in each line; {of_what}, {window}.",
        nothing="No test has shown itself flaky in at least two builds.",
    )
    return


@app.cell
def _(published, these_tests):
    tests = published.ask(
        "tests",
        f"""
        select test_name || '  (' || project_name || ', ' || connection || ')' as test, test_id
        from marts.test_flakiness
        where {these_tests}
        order by is_quarantine_candidate desc, state = 'flaky' desc, flake_rate_low desc nulls last, test
        limit 500
        """,
    )
    _options = {row["test"]: row["test_id"] for row in tests.rows}
    _asked = mo.query_params().get("test")
    _first = next((name for name, key in _options.items() if key == _asked), next(iter(_options), None))
    test = mo.ui.dropdown(_options, value=_first, label="Test", searchable=True, full_width=True)
    mo.vstack([page.section("One test's history", "On which devices and builds it failed."), test])
    return (test,)


@app.cell
def _(published, test):
    by_build = published.ask(
        "history",
        f"""
        with builds as (
            select
                device_id, max(model) as model, build_name, min(started_at) as started_at,
                count(*) as runs, count(*) filter (where run_status = 'failed') as failures
            from marts.recent_test_runs
            where test_id = {literal(test.value)} and is_counted
            group by device_id, build_name, case when build_name is null then test_run_id end
        )
        select
            coalesce(model || '  ' || right(device_id, 6), device_id, 'no device') as device,
            coalesce(build_name, 'no build') as build, started_at, runs, failures,
            case when failures = 0 then 'passed' when failures = runs then 'failed' else 'mixed' end as result
        from builds
        order by sum(failures) over (partition by device_id) desc, device, started_at desc, build
        limit 1000
        """,
    )
    by_device = published.ask(
        "by_device",
        f"""
        select
            coalesce(max(model), 'unknown') as model, coalesce(device_id, '-') as device_id,
            max(os || coalesce(' ' || os_version, '')) as os,
            count(*) as runs, count(*) filter (where run_status = 'failed') as failures,
            case when runs >= 5 then failures / runs end as failure_rate
        from marts.recent_test_runs
        where test_id = {literal(test.value)} and is_counted
        group by device_id
        order by failures desc, runs desc, device_id
        limit 30
        """,
    )
    _runs, _failures = (int(by_device.data[column].sum()) for column in ("runs", "failures"))
    _of = f"n = {_runs:,} counted runs on {len(by_device.rows)} devices, last 30 days."
    _enough = _runs >= 10
    mo.vstack(
        [
            page.figure(
                f"It failed in {_failures:,} of {_runs:,} runs"
                if _enough
                else f"Not enough runs: {_runs}, where ten are needed to judge a test",
                by_build,
                charts.history,
                says="A device per line, those with most failures first; a mark per CI build. A diamond passed and failed on one build.",
                of=_of,
                nothing="It did not run in this window.",
            ),
            page.table(
                "Device by device",
                by_device,
                [
                    Column("model", "model"),
                    Column("device_id", "device", is_long=True),
                    Column("os", "OS"),
                    number("runs", "runs", as_count),
                    number("failures", "failed", as_count),
                    number("failure_rate", "of its runs", as_share),
                ],
                says="No rate where a device had fewer than five runs.",
                of=_of,
                nothing="It did not run in this window.",
            ),
        ]
    )
    return


@app.cell
def _(published, test):
    evidence = published.ask(
        "evidence",
        f"""
        with latest as (
            select *
            from marts.recent_test_runs
            where test_id = {literal(test.value)}
                and test_run_id in (select test_run_id from marts.test_flakiness_evidence where test_id = {literal(test.value)})
            order by started_at desc, test_run_id
            limit 15
        )
        select
            latest.started_at, role, coalesce(build_name, '-') as build, coalesce(model, '-') as model, run_status,
            coalesce(regexp_replace(left(message_head, 140), '\\s+', ' ', 'g'), '-') as message,
            report_url, case when report_url is null then '-' else 'report' end as report
        from latest
        inner join marts.test_flakiness_evidence using (test_id, test_run_id)
        order by latest.started_at desc, test_run_id
        """,
    )
    page.table(
        "The runs that made its state",
        evidence,
        [
            Column("started_at", "began (UTC)", as_time, is_short=True),
            Column("role", "what it shows"),
            Column("build", "build"),
            Column("model", "model"),
            Column("run_status", "result"),
            Column("message", "message", is_long=True),
            Column("report", "vendor's", link="report_url"),
        ],
        says="The latest fifteen.",
        of="Of the last 30 days.",
        nothing="A stable test that never failed has none.",
    )
    return


if __name__ == "__main__":
    app.run()
