import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Failures")

with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page, parts
    from pipelines.notebooks.filters import condition, days, in_words, literal, offered
    from pipelines.notebooks.warehouse import opened
    from pipelines.report.answers import as_count, as_ratio, as_time
    from pipelines.report.layout import Column, number


@app.cell
def _():
    published = opened()
    page.opening(
        "failures",
        "Failed and blocked runs by their message. Messages that differ only in numbers, ids, times or paths are one reason.",
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
        days=days("Last", 30, 7, 14),
    )
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters, published):
    chosen = filters.value
    these_runs = condition(chosen, "connection", "project", "team", "system")
    these_failures = f"{parts.FAILED} and {these_runs} and {published.in_last(chosen['days'])}"
    of_what = in_words(chosen, "connection", "project", "team", "system")
    return chosen, of_what, these_failures


@app.cell
def _(published, these_failures):
    failed = published.ask(
        "failed",
        f"""
        with seen as (
            select
                failure_id, sum(runs) as failures, sum(outage_runs) as in_outages,
                sum(runs) filter (where run_status = 'blocked') as blocked
            from marts.recent_test_runs_daily
            where {these_failures}
            group by failure_id
        )
        select
            coalesce(sum(failures), 0)::bigint as failures,
            coalesce(sum(failures) filter (where failure_id is null), 0)::bigint as without_message,
            coalesce(sum(in_outages), 0)::bigint as in_outages,
            coalesce(sum(blocked), 0)::bigint as blocked,
            count(failure_id) as reasons,
            count(*) filter (where is_new) as new_reasons,
            count(*) filter (where is_reopened) as reopened_reasons
        from seen
        left join marts.failure_reasons using (failure_id)
        """,
    )
    page.cards(
        (
            failed,
            [
                ("failures", "failed runs", as_count, "{blocked} of them blocked"),
                ("reasons", "different reasons", as_count, "{without_message} without a message"),
                ("new_reasons", "new in 7 days", as_count, "of {reasons} reasons"),
                ("reopened_reasons", "back again", as_count, "after 21 days without"),
                ("in_outages", "in outages", as_count, "no fault of the tests"),
            ],
        )
    )
    return


@app.cell
def _(chosen, published):
    mo.vstack([page.section("Whose fault it is"), parts.by_category(published, chosen, chosen["days"])])
    return


@app.cell
def _(chosen, published):
    mo.vstack([page.section("What is new, and what grows"), parts.moving_reasons(published, chosen, 10)])
    return


@app.cell
def _(of_what, published, these_failures):
    concentrated = published.ask(
        "concentrated",
        f"""
        with first as (
            select *, '?reason=' || failure_id as link
            from marts.failure_concentrations
            where is_concentrated and occurrences >= 5 and lift_low > 1.5
                and failure_id in (select failure_id from marts.recent_test_runs_daily where {these_failures})
            order by occurrences - expected_occurrences desc, failure_id, dimension, value
            limit 15
        )
        select
            dimension, value, regexp_replace(left(example_message, 120), '\\s+', ' ', 'g') as message, link,
            first.occurrences, failure_occurrences, expected_occurrences, lift,
            format('{{:.1f}} to {{:.1f}}', lift_low, lift_high) as interval
        from first
        inner join marts.failure_reasons using (failure_id)
        order by first.occurrences - expected_occurrences desc, failure_id, dimension, value
        """,
    )
    page.table(
        "Where failures concentrate" if concentrated.rows else "No failure concentrates anywhere",
        concentrated,
        [
            Column("value", "on", beneath="dimension"),
            Column("message", "message", is_long=True, link="link"),
            number("occurrences", "seen there", as_count),
            number("failure_occurrences", "of", as_count),
            number("expected_occurrences", "expected", as_count),
            number("lift", "times", as_ratio),
            Column("interval", "90% interval", is_short=True),
        ],
        says="Seen at least half as often again as if each test's failures spread as its runs do. The largest excess first.",
        of=f"n stands in each line; reasons of {of_what}, last 30 days.",
        nothing="No reason with five failures or more is seen on one device, model, system or build surely more than its runs explain.",
    )
    return


@app.cell
def _(published, these_failures):
    seen = published.ask(
        "reasons",
        f"""
        with first as (
            select failure_id, sum(runs)::bigint as failures
            from marts.recent_test_runs_daily
            where {these_failures} and failure_id is not null
            group by failure_id
            order by failures desc, failure_id
            limit 300
        )
        select
            regexp_replace(left(example_message, 110), '\\s+', ' ', 'g') || '  (' || failures || ', ' || left(failure_id, 6) || ')' as reason,
            failure_id
        from first
        inner join marts.failure_reasons using (failure_id)
        order by failures desc, failure_id
        """,
    )
    _options = {row["reason"]: row["failure_id"] for row in seen.rows}
    _asked = mo.query_params().get("reason")
    _first = next((name for name, key in _options.items() if key == _asked), next(iter(_options), None))
    reason = mo.ui.dropdown(_options, value=_first, label="Reason", searchable=True, full_width=True)
    mo.vstack([page.section("One reason", "When, where and in which runs it was seen."), reason])
    return (reason,)


@app.cell
def _(chosen, of_what, published, reason, these_failures):
    when = published.ask(
        "when",
        f"""
        select date, sum(runs)::bigint as occurrences
        from marts.recent_test_runs_daily
        where failure_id = {literal(reason.value)} and {these_failures}
        group by date
        order by date
        """,
    )
    where = published.ask(
        "where",
        f"""
        select
            value || '  (' || dimension || ')' as place, lift, greatest(lift_low, 0.05) as lift_low, lift_high, occurrences,
            failure_occurrences, case when is_concentrated then 'more than explained' else 'as expected' end as verdict
        from marts.failure_concentrations
        where failure_id = {literal(reason.value)}
        order by is_concentrated desc, occurrences - expected_occurrences desc, place
        limit 12
        """,
    )
    _n = int(when.data["occurrences"].sum()) if when.rows else 0
    _all = where.rows[0]["failure_occurrences"] if where.rows else 0
    page.beside(
        page.figure(
            f"Seen in {_n:,} runs on {len(when.rows)} days",
            when,
            lambda rows: charts.days(rows, "occurrences", "failed runs", charts.RED),
            says="Failed runs with this reason.",
            of=f"n = {_n:,} failed runs of {of_what}, last {chosen['days']} days.",
            nothing="It was not seen in this choice.",
        ),
        page.figure(
            "Where it is seen more than its runs explain",
            where,
            lambda rows: charts.ratios(
                rows,
                "place",
                "lift",
                "times as often as its runs explain",
                "occurrences",
                "verdict",
                ("more than explained", "as expected"),
            ),
            says="1 is as everywhere; the bar is the 90% interval. One interval in twenty lies above 1 by chance.",
            of=f"n = {_all:,} failed runs of everything, last 30 days.",
            nothing="Not enough: five failures in the last 30 days are needed to say where it concentrates.",
        ),
    )
    return


@app.cell
def _(chosen, of_what, published, reason, these_failures):
    examples = published.ask(
        "examples",
        f"""
        with latest as (
            select *
            from marts.recent_test_runs
            where failure_id = {literal(reason.value)} and {these_failures}
            order by started_at desc, test_run_id
            limit 15
        )
        select
            started_at, test_name, project_name || ', ' || connection as place, coalesce(build_name, '-') as build,
            coalesce(model, '-') as model, coalesce(os || ' ' || os_version, os, '-') as os, run_status,
            regexp_replace(left(message_head, 160), '\\s+', ' ', 'g') as message,
            report_url, case when report_url is null then '-' else 'report' end as report
        from latest
        order by started_at desc, test_run_id
        """,
    )
    page.table(
        "The latest runs with it",
        examples,
        [
            Column("started_at", "began (UTC)", as_time, is_short=True),
            Column("test_name", "test", beneath="place"),
            Column("build", "build"),
            Column("model", "model", beneath="os"),
            Column("message", "message", is_long=True),
            Column("report", "vendor's", link="report_url"),
        ],
        says="The latest fifteen, each with the vendor's own report where it gave one.",
        of=f"Of {of_what}, last {chosen['days']} days.",
        nothing="It was not seen in this choice.",
    )
    return


if __name__ == "__main__":
    app.run()
