"""The documented oddities that one test execution can show, by the name the world marks it with.

Each changes a finished record in place. A mark that is not here is shown as a normal record.
"""

from __future__ import annotations

from collections.abc import Callable

Record = dict[str, object]

# The vendor's own sample ends 2.2 days before it starts.
BACKWARDS = 189_994_222
TWO_YEARS = 2 * 365 * 86_400_000


def _end_before_start(record: Record) -> None:
    record["endTime"] = record["startTime"] - BACKWARDS  # type: ignore[operator]


def _start_in_14_digits(record: Record) -> None:
    record["startTime"] = record["startTime"] * 10 + 9  # type: ignore[operator]


def _video_times_in_other_units(record: Record) -> None:
    """Seconds for one end, a digit short for the other, the sample's window two years later for a third."""
    videos: list[Record] = record["videos"]  # type: ignore[assignment]
    for number, video in enumerate(videos):
        if number % 2 == 0:
            video["startTime"] = video["startTime"] // 1_000  # type: ignore[operator]
            video["endTime"] = video["endTime"] // 10  # type: ignore[operator]
        else:
            video["startTime"] += TWO_YEARS  # type: ignore[operator]


def _video_two_years_late(record: Record) -> None:
    videos: list[Record] = record["videos"]  # type: ignore[assignment]
    for video in videos:
        video["startTime"] += TWO_YEARS  # type: ignore[operator]


def _end_time_zero(record: Record) -> None:
    record["endTime"] = 0


def _end_time_absent(record: Record) -> None:
    record.pop("endTime", None)


def _resolution_with_asterisk(record: Record) -> None:
    platforms: list[Record] = record["platforms"]  # type: ignore[assignment]
    for platform in platforms:
        platform["screenResolution"] = platform["screenResolution"].replace("x", "*")  # type: ignore[attr-defined]


def _impossible_time_in_external_id(record: Record) -> None:
    owner = str(record["owner"])
    record["externalId"] = f"{owner}_RemoteWebDriver_08-08-16_06_66_36_{str(record['id'])[-6:]}"


def _other_id_in_report_url(record: Record) -> None:
    test_id = str(record["id"])
    record["reportURL"] = str(record["reportURL"]).replace(test_id, test_id[:7] + test_id[-7:])


def _desktop_with_device_id(record: Record) -> None:
    platforms: list[Record] = record["platforms"]  # type: ignore[assignment]
    for number, platform in enumerate(platforms):
        platform["deviceId"] = platform.get("deviceId", f"1_{record['id']}-{number}")


def _no_mobile_info(record: Record) -> None:
    platforms: list[Record] = record["platforms"]  # type: ignore[assignment]
    for platform in platforms:
        platform.pop("mobileInfo", None)


def _no_platforms(record: Record) -> None:
    record["platforms"] = []


def _job_number_as_text(record: Record) -> None:
    job: Record | None = record.get("job")  # type: ignore[assignment]
    if job is not None and "number" in job:
        job["number"] = str(job["number"])


def _job_number_as_decimal(record: Record) -> None:
    job: Record | None = record.get("job")  # type: ignore[assignment]
    if job is not None and "number" in job:
        job["number"] = float(job["number"])  # type: ignore[arg-type]


# Listed again on the next page, where there is one; done by the listing, not on the record.
REPEATED_ON_NEXT_PAGE = "repeated_on_next_page"

ODDITIES: dict[str, Callable[[Record], None]] = {
    "end_before_start": _end_before_start,
    "start_in_14_digits": _start_in_14_digits,
    "video_times_in_other_units": _video_times_in_other_units,
    "video_two_years_late": _video_two_years_late,
    "end_time_zero": _end_time_zero,
    "end_time_absent": _end_time_absent,
    "resolution_with_asterisk": _resolution_with_asterisk,
    "impossible_time_in_external_id": _impossible_time_in_external_id,
    "other_id_in_report_url": _other_id_in_report_url,
    "desktop_with_device_id": _desktop_with_device_id,
    "no_mobile_info": _no_mobile_info,
    "no_platforms": _no_platforms,
    "job_number_as_text": _job_number_as_text,
    "job_number_as_decimal": _job_number_as_decimal,
}
