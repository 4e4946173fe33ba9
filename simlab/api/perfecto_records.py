"""A test execution as the reporting export v3 shows it at a given time."""

from __future__ import annotations

import hashlib
import re
from random import Random

from simlab.api.answers import draw, encode
from simlab.api.perfecto_oddities import ODDITIES
from simlab.clock import MINUTE
from simlab.world.model import Device, TestRun

PROCESSING_TIME = 3 * MINUTE
# A run listed later than this after its end was hidden until then; others are listed while they run.
LATE = 10 * MINUTE
ENGINES = ("v1", "18.4.0.4", "21.1", "24.3")
# What Gson, HTML-safe as the vendor's server has it, escapes. These never occur outside a JSON string.
GSON_ESCAPES = tuple((bytes([c]), f"\\u{c:04x}".encode()) for c in b"=&<>'")


def shown_from(run: TestRun) -> int:
    """From when on the export lists a run: from its start, or, for a late one, when it becomes visible."""
    ended_at = run.started_at if run.ended_at is None else run.ended_at
    return run.visible_at if run.visible_at - ended_at > LATE else run.started_at


def is_settled(run: TestRun, now: int) -> bool:
    """True when the run has its result; before, it is shown as UNKNOWN with end time 0."""
    return run.visible_at <= now


def is_processing(run: TestRun, now: int) -> bool:
    """True while videos and artifacts are being prepared: the first three minutes after the end."""
    return run.ended_at is not None and run.ended_at <= now < run.ended_at + PROCESSING_TIME


def status_at(run: TestRun, now: int) -> str:
    """The status that is shown."""
    return run.status if is_settled(run, now) else "UNKNOWN"


def failure_reason_at(run: TestRun, now: int) -> str | None:
    """The name of the failure reason after the edits up to `now`."""
    if not is_settled(run, now):
        return None
    reason = run.failure_reason_name
    for edit in run.edits:
        if edit.at <= now:
            reason = edit.failure_reason_name
    return reason


def failure_reason_id(connection: str, name: str) -> str:
    """The 24-hex id by which the export filters reasons; it differs from cloud to cloud."""
    return hashlib.sha256(f"{connection}/{name}".encode()).hexdigest()[:24]


def version_at(run: TestRun, now: int) -> tuple[bool, bool, int]:
    """What distinguishes one appearance of a run from another; equal versions encode to equal bytes."""
    return is_settled(run, now), is_processing(run, now), sum(edit.at <= now for edit in run.edits)


def encode_test(run: TestRun, connection: str, now: int) -> bytes:
    """The run's record in JSON, escaped as the vendor's server escapes."""
    body = encode(test_record(run, connection, now))
    for character, escape in GSON_ESCAPES:
        body = body.replace(character, escape)
    return body


def test_record(run: TestRun, connection: str, now: int) -> dict[str, object]:
    """The run's record; keys without a value are absent, not null."""
    settled = is_settled(run, now)
    ready = settled and not is_processing(run, now)
    record: dict[str, object] = {
        "id": run.id,
        "externalId": run.external_id,
        "name": run.name,
        "owner": run.owner,
        "startTime": run.started_at,
        "endTime": run.ended_at if settled and run.ended_at is not None else 0,
        "uxDuration": _ux_duration(run) if settled else 0,
        "status": status_at(run, now),
    }
    if settled and run.ended_at is None and draw(run.id, "end", 2):
        del record["endTime"]
    if run.job_name is not None:
        job: dict[str, object] = {"name": run.job_name, "number": run.job_number, "branch": run.job_branch}
        record["job"] = {key: value for key, value in job.items() if value is not None}
    record["platforms"] = [
        platform_record(device, run.id, f"device{number}" if len(run.devices) > 1 else None)
        for number, device in enumerate(run.devices, 1)
    ]
    record["videos"] = _videos(run, connection) if ready else []
    record["tags"] = Random(run.id).sample(run.tags, len(run.tags))
    record["executionEngine"] = {"version": ENGINES[draw(run.id, "engine", len(ENGINES))]}
    record["artifacts"] = _artifacts(run, connection) if ready else []
    record["reportURL"] = f"https://{connection}.app.lab.example/reporting/test/{run.id}"
    if run.project_name is not None:
        record["project"] = {"name": run.project_name}
        if run.project_version is not None:
            record["project"] = {"name": run.project_name, "version": run.project_version}
    if settled and run.message is not None:
        record["message"] = run.message
    if run.custom_fields:
        record["customFields"] = [{"name": name, "value": value} for name, value in run.custom_fields]
    reason = failure_reason_at(run, now)
    if reason is not None:
        record["failureReasonName"] = reason
    if run.automation_framework is not None:
        record["automationFramework"] = run.automation_framework
    if run.parameters:
        record["parameters"] = [{"name": name, "value": value} for name, value in run.parameters]
    if run.trigger_type is not None:
        record["triggerType"] = run.trigger_type
    if settled and run.oddity is not None and run.oddity in ODDITIES:
        ODDITIES[run.oddity](record)
    return record


def platform_record(device: Device, key: str, alias: str | None) -> dict[str, object]:
    """One device of a test: mobileInfo on phones, tablets and simulators, browserInfo on desktops."""
    shown = {
        "deviceId": device.device_id,
        "deviceType": device.device_type,
        "os": device.os,
        "osVersion": device.os_version,
        "screenResolution": device.resolution,
        "location": device.location,
    }
    record: dict[str, object] = {name: value for name, value in shown.items() if value}
    if device.device_type != "DESKTOP":
        record["mobileInfo"] = _mobile_info(device)
    elif device.browser_type is not None:
        record["browserInfo"] = {
            "browserType": device.browser_type,
            "browserVersion": device.browser_version or "latest",
        }
    if alias is not None:
        record["alias"] = alias
    criteria = {"deviceName": device.device_id}
    if device.os:
        criteria = {"platformName": device.os.capitalize(), "platformVersion": device.os_version}
    record["selectionCriteriaV2"] = [{"name": name, "value": value} for name, value in criteria.items()]
    record["customFields"] = [{"name": "rack", "value": device.location}] if draw(key, "rack", 8) == 0 else []
    return record


def _mobile_info(device: Device) -> dict[str, object]:
    info = {
        "imei": device.imei,
        "imsi": device.imsi,
        "manufacturer": device.manufacturer,
        "model": device.model,
        "phoneNumber": device.phone_number,
        "distributor": distributor_of(device),
        "description": device.description,
        "firmware": device.firmware,
        "operator": f"{device.operator}-{device.operator_country}" if device.operator else "",
        "operatorCountry": device.operator_country,
    }
    shown: dict[str, object] = {key: value for key, value in info.items() if value}
    shown["hasAudio"] = draw(device.device_id, "audio", 4) > 0
    return shown


def distributor_of(device: Device) -> str:
    """Who sold the device: `Generic`, `Unlocked`, a carrier, or a Mac's name for devices of that vendor."""
    if device.os == "IOS":
        return f"MacCam{1 + draw(device.device_id, 'mac', 20)}"
    return ("Generic", "Unlocked", "ATT-US")[draw(device.device_id, "distributor", 3)]


def _ux_duration(run: TestRun) -> int:
    if run.ended_at is None or draw(run.id, "ux", 4) == 0:
        return 0
    return (run.ended_at - run.started_at) * (20 + draw(run.id, "share", 60)) // 100


def signed_url(connection: str, path: str, file_name: str) -> str:
    """A link of the vendor's form, to a file that does not exist, with its signature parameter."""
    signature = hashlib.sha256(f"{connection}/{path}/{file_name}".encode()).hexdigest()
    return (
        f"https://{connection}.app.lab.example/{path}/{file_name}?fileName={file_name}&signature={signature}"
    )


def _videos(run: TestRun, connection: str) -> list[dict[str, object]]:
    if run.ended_at is None or run.status == "BLOCKED":
        return []
    videos = []
    for number, device in enumerate(run.devices):
        if not device.resolution:
            continue
        file_name = f"{run.id}_{number}.mp4"
        width, height = (int(side) for side in re.split(r"\D", device.resolution, maxsplit=1))
        video: dict[str, object] = {
            "startTime": run.started_at,
            "endTime": run.ended_at,
            "videoFormat" if draw(run.id, "video", 5) == 0 else "format": "MP4",
            "downloadUrl": signed_url(connection, "download-01/report-video", file_name),
            "screen": {"width": width, "height": height},
        }
        if draw(run.id, "stream", 3) == 0:
            video["streamingUrl"] = signed_url(
                connection, "streaming-01/report-video", f"{run.id}_{number}.m3u8"
            )
        videos.append(video)
    return videos


def _artifacts(run: TestRun, connection: str) -> list[dict[str, object]]:
    if run.ended_at is None or not run.devices:
        return []
    is_desktop = run.devices[0].device_type == "DESKTOP"
    kinds = [("CONSOLE_LOG" if is_desktop else "DEVICE_LOGS", "text/plain", "log.txt", True)]
    if draw(run.id, "network", 4) == 0:
        kinds.append(("NETWORK", "application/vnd.tcpdump.pcap", "network.pcap", False))
    if run.status == "FAILED":
        kinds.append(("IMAGE", "image/png", "last-screen.png", False))
        if not is_desktop and run.message is not None and "crash" in run.message.lower():
            kinds.append(("APP_CRASH_REPORT", "text/plain", "crash.txt", False))
    artifacts = []
    for kind, content_type, file_name, zipped in kinds:
        stored = f"{run.id}-{file_name}.zip" if zipped else f"{run.id}-{file_name}"
        artifact: dict[str, object] = {
            "type": kind,
            "path": signed_url(connection, "download-01/report-artifact", stored),
        }
        if draw(run.id, kind, 3):
            artifact |= {"contentType": content_type, "fileName": file_name, "zipped": zipped}
        artifacts.append(artifact)
    return artifacts
