import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Failures")

with app.setup:
    import marimo as mo

    from pipelines.notebooks import charts, page
    from pipelines.notebooks.filters import ALL, condition, in_words, literal
    from pipelines.notebooks.warehouse import opened
    from pipelines.report.answers import as_count, as_day, as_ratio, as_time
    from pipelines.report.charts import failures_by_category
    from pipelines.report.layout import Card, Column, number


@app.cell
def _():
    published = opened()
    return (published,)


@app.cell
def _(published):
    page.opening(
        "failures",
        "Failed and blocked runs by their message. Messages that differ only in numbers, ids, times or paths are one reason.",
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
            "days": mo.ui.dropdown(
                {"7 days": 7, "14 days": 14, "30 days": 30}, value="30 days", label="Last"
            ),
        }
    )
    page.choices(filters)
    return (filters,)


@app.cell
def _(filters):
    chosen = filters.value
    last_day = "(select max(date) from marts.recent_test_runs)"
    these_failures = (
        "run_status in ('failed', 'blocked') and "
        + condition(chosen, connection="connection", project="project_name", team="team", system="os")
        + f" and date > {last_day} - {chosen['days']}"
    )
    of_what = in_words(chosen, "connection", "project", "team", "system")
    return chosen, last_day, of_what, these_failures


@app.cell
def _(published, these_failures):
    failed = published.ask(
        "failed",
        f"""
        with seen as (
            select
                failure_id, count(*) as failures,
                count(*) filter (where outage_id is not null) as in_outages,
                count(*) filter (where run_status = 'blocked') as blocked
            from marts.recent_test_runs
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
    summary = failed.rows[0]
    page.cards(
        [
            (
                failed,
                [
                    Card(failed.question, "failures", "failed runs", as_count, "{blocked} of them blocked"),
                    Card(
                        failed.question,
                        "reasons",
                        "different reasons",
                        as_count,
                        "{without_message} without a message",
                    ),
                    Card(failed.question, "new_reasons", "new in 7 days", as_count, "of {reasons} reasons"),
                    Card(
                        failed.question, "reopened_reasons", "back again", as_count, "after 21 days without"
                    ),
                    Card(failed.question, "in_outages", "in outages", as_count, "no fault of the tests"),
                ],
            )
        ]
    )
    return (summary,)


@app.cell
def _(chosen, of_what, published, summary, these_failures):
    by_category = published.ask(
        "by_category",
        f"""
        select date, coalesce(failure_category, 'unknown') as category, count(*) as occurrences
        from marts.recent_test_runs
        where {these_failures}
        group by all
        order by date, category
        """,
    )
    _totals = by_category.data.groupby("category")["occurrences"].sum()
    mo.vstack(
        [
            page.section("Whose fault it is"),
            page.figure(
                f"Most failures are of category {_totals.idxmax()}: {_totals.max():,} of {_totals.sum():,}"
                if len(_totals)
                else "No failures",
                by_category,
                failures_by_category(by_category.data).properties(height=220) if by_category.rows else None,
                says="Failed runs of each day, by whose fault they were.",
                of=f"n = {summary['failures']:,} failed runs of {of_what}, last {chosen['days']} days.",
                nothing="No run of this choice failed.",
            ),
        ]
    )
    return


@app.cell
def _(last_day, of_what, published, these_failures):
    def reasons(name, chosen_ones):
        return published.ask(
            name,
            f"""
            with weeks as (
                select
                    failure_id,
                    count(*) filter (where date > {last_day} - 7) as this_week,
                    count(*) filter (where date <= {last_day} - 7 and date > {last_day} - 14) as week_before,
                    count(*) as failures
                from marts.recent_test_runs
                where {these_failures} and failure_id is not null
                group by failure_id
                having this_week > 0
            ),
            first as (
                select weeks.*
                from weeks
                inner join marts.failure_reasons using (failure_id)
                where {chosen_ones}
                order by this_week desc, weeks.failures desc, failure_id
                limit 12
            ),
            reach as (
                select failure_id, count(distinct test_id) as tests, count(distinct device_id) as devices
                from marts.recent_test_runs
                where {these_failures} and failure_id in (select failure_id from first)
                group by failure_id
            )
            select
                regexp_replace(left(example_message, 160), '\\s+', ' ', 'g') as message, '?reason=' || failure_id as link,
                category, coalesce(failing_command, '-') as command, first_seen_at, this_week, week_before,
                first.failures, reach.tests, reach.devices
            from first
            inner join reach using (failure_id)
            inner join marts.failure_reasons using (failure_id)
            order by this_week desc, first.failures desc, failure_id
            """,
        )

    _columns = [
        Column("message", "message", is_long=True, link="link"),
        Column("category", "category"),
        Column("command", "failed at"),
        Column("first_seen_at", "first seen", as_day, is_short=True),
        number("this_week", "last 7 days", as_count),
        number("week_before", "7 before", as_count),
        number("failures", "in all", as_count),
        number("tests", "tests", as_count),
        number("devices", "devices", as_count),
    ]
    new = reasons("new_reasons", "is_new or is_reopened")
    growing = reasons("growing_reasons", "not is_new and this_week >= 5 and this_week > 1.5 * week_before")
    _of = f"n stands in each line; {of_what}."
    mo.vstack(
        [
            page.section("What is new, and what grows"),
            page.table(
                f"New, or back again: {len(new.rows)}{' or more' if len(new.rows) == 12 else ''} reasons",
                new,
                _columns,
                says="First seen in the last 7 days, or seen again after 21 days without, the most frequent first.",
                of=_of,
                nothing="No new failure reason in 7 days.",
            ),
            page.table(
                f"Growing: {len(growing.rows)}{' or more' if len(growing.rows) == 12 else ''} reasons",
                growing,
                _columns,
                says="At least five in the last 7 days, and half as many again as in the 7 before.",
                of=_of,
                nothing="No failure reason grows.",
            ),
        ]
    )
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
                and failure_id in (select failure_id from marts.recent_test_runs where {these_failures})
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
            select failure_id, count(*) as failures
            from marts.recent_test_runs
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
        select date, count(*) as occurrences, count(distinct test_id) as tests
        from marts.recent_test_runs
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
            charts.days(when.data, "occurrences", "failed runs", charts.RED) if when.rows else None,
            says="Failed runs with this reason.",
            of=f"n = {_n:,} failed runs of {of_what}, last {chosen['days']} days.",
            nothing="It was not seen in this choice.",
        ),
        page.figure(
            "Where it is seen more than its runs explain",
            where,
            charts.ratios(
                where.data,
                "place",
                "lift",
                "times as often as its runs explain",
                "occurrences",
                "verdict",
                ("more than explained", "as expected"),
            )
            if where.rows
            else None,
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
        select
            started_at, test_name, project_name || ', ' || connection as place, coalesce(build_name, '-') as build,
            coalesce(model, '-') as model, coalesce(os || ' ' || os_version, os, '-') as os, run_status,
            regexp_replace(left(message_head, 160), '\\s+', ' ', 'g') as message,
            report_url, case when report_url is null then '-' else 'report' end as report
        from marts.recent_test_runs
        where failure_id = {literal(reason.value)} and {these_failures}
        order by started_at desc, test_run_id
        limit 15
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
