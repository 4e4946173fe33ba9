"""Outages that the warehouse finds against those of the simulated lab's world, and devices against their tests."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from tests.proofs.conftest import KnownLab

GAP = timedelta(minutes=15)
Signal = tuple[datetime, str, str | None, str | None, str]  # start, test, device, location, test run


def signals_by_outage(known_lab: KnownLab) -> dict[tuple[str, str], list[Signal]]:
    """The runs of each true outage that say themselves that the lab was at fault, by scope and outage, in order."""
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            select outages.scope, outages.outage_id, runs.started_at, runs.test_id,
                devices.device_id, devices.location, runs.test_run_id
            from {known_lab.truth("failures")} as failures
            join {known_lab.truth("outages")} as outages using (outage_id)
            join core.fct_test_runs as runs using (test_run_id)
            left join (
                select sessions.test_run_id, sessions.device_id, periods.location
                from core.fct_device_sessions as sessions
                join core.dim_devices as periods
                    on sessions.connection = periods.connection and sessions.device_id = periods.device_id
                    and sessions.started_at >= periods.valid_from
                    and (sessions.started_at < periods.valid_to or periods.valid_to is null)
            ) as devices using (test_run_id)
            where runs.is_lab_failure
                and (outages.scope <> 'device' or devices.device_id = outages.scope_id)
                and (outages.scope <> 'location' or devices.location = outages.scope_id)
            order by runs.started_at, runs.test_run_id
        """).fetchall()
    found = defaultdict(list)
    for scope, outage, *signal in rows:
        found[scope, outage].append(tuple(signal))
    return found


def chains(signals: list[Signal]) -> list[list[Signal]]:
    """Nothing passes inside a true outage of its scope, so that only time breaks a chain, and midnight."""
    made: list[list[Signal]] = []
    for signal in signals:
        if made and signal[0] - made[-1][-1][0] <= GAP and signal[0].date() == made[-1][-1][0].date():
            made[-1].append(signal)
        else:
            made.append([signal])
    return made


def is_outage(scope: str, chain: list[Signal]) -> bool:
    runs = {run for *_, run in chain}
    devices, tests = {device for _, _, device, _, _ in chain if device}, {test for _, test, *_ in chain}
    if scope == "device":
        return len(runs) >= 3
    if scope == "location":
        return len(devices) >= 3
    return (len(devices) >= 5 or len(tests) >= 5) and not is_of_one_place(chain, len(runs))


def is_of_one_place(chain: list[Signal], runs: int) -> bool:
    """Whether one device, or one location with three, gave more than half of the signals."""
    by_device, by_location = defaultdict(set), defaultdict(set)
    for _, _, device, location, run in chain:
        by_device[device].add(run)
        by_location[location].add((run, device))
    return any(len(of) * 2 > runs for device, of in by_device.items() if device) or any(
        len({run for run, _ in of}) * 2 > runs and len({device for _, device in of}) >= 3
        for location, of in by_location.items()
        if location
    )


def test_every_outage_that_gave_enough_signals_is_found_with_their_runs(
    known_lab: KnownLab, figures: list[str]
) -> None:
    with known_lab.home.warehouse() as warehouse:
        belongs_to = dict(
            warehouse.sql("""
                select runs.test_run_id, outages.scope
                from core.fct_test_runs as runs join marts.outages as outages using (outage_id)
            """).fetchall()
        )
    detectable = defaultdict(list)
    for (scope, _), signals in signals_by_outage(known_lab).items():
        for chain in filter(lambda made: is_outage(scope, made), chains(signals)):
            detectable[scope].append([belongs_to.get(run) for *_, run in chain])
    assert {"device", "location", "connection"} == set(detectable), "some scope has no outage to find"
    missed = [(scope, runs) for scope in detectable for runs in detectable[scope] if None in runs]
    assert missed == []
    for scope, found in detectable.items():
        of_its_scope = sum(set(runs) == {scope} for runs in found)
        assert of_its_scope >= 0.75 * len(found), f"{scope}: {found}"
        figures.append(
            f"{scope}: {len(found)} stretches of true outages with enough signals, all found, "
            f"{of_its_scope} as an outage of the same scope"
        )


def test_what_is_called_an_outage_was_one(known_lab: KnownLab, figures: list[str]) -> None:
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            select outages.scope, outages.failures,
                count(failures.test_run_id) filter (where failures.outage_id is not null) as true_failures
            from marts.outages as outages
            left join core.fct_test_runs as runs using (outage_id)
            left join {known_lab.truth("failures")} as failures on runs.test_run_id = failures.test_run_id
            group by outages.outage_id, outages.scope, outages.failures
        """).fetchall()
    assert len(rows) >= 3
    right = [row for row in rows if row[2] * 2 > row[1]]
    assert len(right) >= 0.97 * len(rows)
    figures.append(f"{len(rows)} outages found, {len(right)} with more true than other failures")


def test_failures_belong_to_outages_as_in_truth(known_lab: KnownLab, figures: list[str]) -> None:
    with known_lab.home.warehouse() as warehouse:
        in_outages, found, others, mistaken, hidden, counted = warehouse.sql(f"""
            select
                count(*) filter (where is_true), count(*) filter (where is_true and is_found),
                count(*) filter (where not is_true), count(*) filter (where not is_true and is_found),
                count(*) filter (where is_true and is_found and not is_lab_failure),
                count(*) filter (where is_true and is_counted)
            from (
                select failures.outage_id is not null as is_true, runs.outage_id is not null as is_found,
                    runs.is_lab_failure, runs.is_counted
                from {known_lab.truth("failures")} as failures
                join core.fct_test_runs as runs using (test_run_id)
            )
        """).fetchone()
    assert in_outages >= 50
    assert found >= 0.4 * in_outages
    assert mistaken <= 0.02 * found
    assert hidden > 0, "no failure of an outage looked like its test's own: it proves nothing"
    assert counted <= 0.25 * in_outages
    figures.append(
        f"{in_outages} failures of true outages: {found} belong to one that was found, {hidden} of them without a "
        f"word of the lab; {counted} still count against their tests. {mistaken} of {others} other failures belong to one"
    )


def test_no_test_whose_true_rate_is_0_is_flaky_for_an_outage(known_lab: KnownLab, figures: list[str]) -> None:
    """An outage that gave too few signals to be found leaves failures that look like its tests' own, and prove nothing."""
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql(f"""
            with hit as (
                select runs.test_id, bool_or(runs.is_counted) as in_missed
                from core.fct_test_runs as runs
                join {known_lab.truth("failures")} as failures using (test_run_id)
                where failures.outage_id is not null and runs.started_date > date '{known_lab.last_day}' - 30
                group by runs.test_id
            )
            select hit.in_missed, flakiness.state in ('flaky', 'broken', 'regressed', 'fixed') as is_blamed
            from marts.test_flakiness as flakiness
            join hit using (test_id)
            join {known_lab.truth("tests")} as truth using (source_name, connection, project_name, test_name)
            where truth.failure_probability = 0
        """).fetchall()
    found, missed = ([blamed for in_missed, blamed in rows if in_missed is which] for which in (False, True))
    assert found
    assert missed
    assert not any(found + missed)
    figures.append(
        f"{len(found)} tests of true rate 0 failed in outages that were all found, {len(missed)} in one that was missed "
        "too: none is called flaky"
    )


def test_no_device_is_blamed_for_its_tests_or_twice_for_its_outages(
    known_lab: KnownLab, figures: list[str]
) -> None:
    """The world's devices are all alike: what fails more on one of them is a test bound to it, or an outage."""
    with known_lab.home.warehouse() as warehouse:
        rows = warehouse.sql("""
            select device_id, failure_rate, failure_ratio, failure_ratio_low, failure_ratio_high, q_value, is_unhealthy,
                outages + outage_failures
            from marts.device_health where compared_tests >= 10
        """).fetchall()
        overall = warehouse.sql(
            "select sum(counted_failures) / sum(counted_runs) from marts.device_health"
        ).fetchone()
    assert len(rows) >= 15
    assert [row for row in rows if row[6]] == []
    assert any(row[7] for row in rows), "no device had an outage: it proves nothing"
    holding = sum(low <= 1 <= high for _, _, _, low, high, *_ in rows)
    assert holding >= 0.75 * len(rows)
    rates = [row[1] / overall[0] for row in rows]
    ratios = [row[2] for row in rows]
    figures.append(
        f"{len(rows)} devices: failure rates {min(rates):.2f} to {max(rates):.2f} times the fleet's, adjusted for their "
        f"tests {min(ratios):.2f} to {max(ratios):.2f}; {holding} intervals hold 1, none is called unhealthy"
    )
