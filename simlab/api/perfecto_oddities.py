"""The documented oddities that one test execution can show, by the name the world marks it with.

Each changes a finished record in place. A mark that is not here is shown as a normal record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Record = dict[str, object]

BACKWARDS = 189_994_222  # 2.2 days: how far before its start the vendor's own sample ends
TWO_YEARS = 2 * 365 * 86_400_000


def _platforms(record: Record, device_type: str | None = None) -> Iterator[Record]:
    platforms: list[Record] = record["platforms"]  # type: ignore[assignment]
    return (p for p in platforms if device_type is None or p["deviceType"] == device_type)


def _end_before_start(record: Record) -> None:
    record["endTime"] = record["startTime"] - BACKWARDS  # type: ignore[operator]


def _fourteen_digit_start(record: Record) -> None:
    record["startTime"] = record["startTime"] * 10 + 9  # type: ignore[operator]


def _end_zero(record: Record) -> None:
    record["endTime"] = 0


def _resolution_star(record: Record) -> None:
    for platform in _platforms(record):
        platform["screenResolution"] = str(platform["screenResolution"]).replace("x", "*")


def _desktop_without_device_id(record: Record) -> None:
    for platform in _platforms(record, "DESKTOP"):
        platform.pop("deviceId", None)


def _mobile_without_info(record: Record) -> None:
    for platform in _platforms(record, "MOBILE"):
        platform.pop("mobileInfo", None)


def _report_url_mismatch(record: Record) -> None:
    test_id = str(record["id"])
    record["reportURL"] = str(record["reportURL"]).replace(test_id, test_id[:7] + test_id[-7:])


def _video_seconds(record: Record) -> None:
    videos: list[Record] = record["videos"]  # type: ignore[assignment]
    for video in videos:
        video["startTime"] = video["startTime"] // 1_000  # type: ignore[operator]
        video["endTime"] = video["endTime"] // 10  # type: ignore[operator]


def _video_long_after(record: Record) -> None:
    videos: list[Record] = record["videos"]  # type: ignore[assignment]
    for video in videos:
        video["startTime"] += TWO_YEARS  # type: ignore[operator]
        video["endTime"] += TWO_YEARS  # type: ignore[operator]


def _job_number_text(record: Record) -> None:
    job: Record = record.get("job", {})  # type: ignore[assignment]
    if "number" in job:
        job["number"] = str(job["number"])


def _missing_objects(record: Record) -> None:
    for key in ("videos", "artifacts", "executionEngine", "customFields", "parameters", "triggerType"):
        record.pop(key, None)


def _selection_criteria_object(record: Record) -> None:
    for platform in _platforms(record):
        criteria: list[dict[str, str]] = platform.pop("selectionCriteriaV2", [])  # type: ignore[assignment]
        platform["selectionCriteria"] = {pair["name"]: pair["value"] for pair in criteria}


def _as_ever(record: Record) -> None:
    """Nothing to change: every answer of the export is escaped like this one."""


# Listed again on the next page, where there is one; done by the listing, not on the record.
REPEATED_ON_NEXT_PAGE = "repeated_on_next_page"

ODDITIES: dict[str, Callable[[Record], None]] = {
    "end_before_start": _end_before_start,
    "fourteen_digit_start": _fourteen_digit_start,
    "end_zero": _end_zero,
    "resolution_star": _resolution_star,
    "desktop_without_device_id": _desktop_without_device_id,
    "mobile_without_info": _mobile_without_info,
    "report_url_mismatch": _report_url_mismatch,
    "video_seconds": _video_seconds,
    "video_long_after": _video_long_after,
    "job_number_text": _job_number_text,
    "missing_objects": _missing_objects,
    "selection_criteria_object": _selection_criteria_object,
    "escaped_text": _as_ever,
    REPEATED_ON_NEXT_PAGE: _as_ever,
}
