"""Odd things that real exports show. A run carries the name of at most one; the API shows what the name says.

Those under `SHOWN_BY_THE_API` are distortions that the lab's API makes of a sane run; the others are already in
the run's own fields, and are marked so that tests can find them.
"""

from __future__ import annotations

SHOWN_BY_THE_API = {
    "end_before_start": "endTime lies 2.2 days before startTime",
    "fourteen_digit_start": "startTime has 14 digits (a year beyond 2400); endTime is sane",
    "end_zero": "endTime is 0, although the run has ended",
    "resolution_star": "screenResolution with a star: 1080*1920",
    "desktop_without_device_id": "a DESKTOP platform without deviceId",
    "report_url_mismatch": "the id in reportURL is not the test's id",
    "video_seconds": "a video's startTime in seconds (10 digits), endTime with 12 digits",
    "video_long_after": "a video's times lie two years after the test",
    "job_number_text": 'job.number is a text: "123"',
    "missing_objects": "videos, artifacts, executionEngine, customFields, parameters, triggerType are absent",
    "selection_criteria_object": "selectionCriteria as an object, without selectionCriteriaV2",
    "mobile_without_info": "a MOBILE platform without mobileInfo",
    "escaped_text": "the body writes = as \\u003d",
    "repeated_on_next_page": "listed once more at the head of the next page, where there is one",
}
IN_THE_RUN = {
    "no_end": "the machine that ran it crashed: ended_at is None",
    "no_platforms": "blocked before it had a device",
    "impossible_external_id": "externalId with a time that does not exist, ..._66_36",
    "job_without_number": "a job name, but no number",
    "double_booking": "starts on a device while another session holds it",
}
ODDITIES = SHOWN_BY_THE_API | IN_THE_RUN

# With these the times that the API shows are no sane interval, or the device is not named: nothing that the
# export shows says how long the device was held, so they have no occupancy.
WITHOUT_OCCUPANCY = frozenset(
    {
        "end_before_start",
        "fourteen_digit_start",
        "end_zero",
        "no_end",
        "no_platforms",
        "desktop_without_device_id",
    }
)
# These would take away what a verdict stands on; only runs that passed at the first attempt show them.
ONLY_ON_PASSED = frozenset(
    {"end_before_start", "fourteen_digit_start", "job_number_text", "job_without_number"}
)
ONLY_ON_DESKTOP = frozenset({"desktop_without_device_id"})
ONLY_ON_MOBILE = frozenset({"mobile_without_info", "resolution_star"})
# Each is given to the next run that can show it; the others come about by themselves.
DRAWN = (*SHOWN_BY_THE_API, "impossible_external_id", "job_without_number")
DRAWN_SHARE = 0.03
