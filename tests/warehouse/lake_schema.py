"""The lake's columns that the warehouse reads, for fixtures written without ingestion."""

from __future__ import annotations

import pyarrow as pa

TEXT, WHOLE, MOMENT = pa.string(), pa.int64(), pa.timestamp("us", tz="UTC")


def _pairs(*names: str) -> pa.DataType:
    return pa.list_(pa.struct([(name, TEXT) for name in names]))


def _times(*names: str) -> list[tuple[str, pa.DataType]]:
    return [field for name in names for field in ((name, MOMENT), (f"{name}_number", WHOLE))]


def _texts(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, TEXT) for name in names]


_EVIDENCE = [("_raw", TEXT), ("_fetched_at", MOMENT), ("_issues", pa.list_(TEXT))]
WINDOW = [*_EVIDENCE, ("_missing_since", MOMENT)]
SNAPSHOT = [*_EVIDENCE, ("_interval_seconds", WHOLE)]

SCHEMAS: dict[tuple[str, str], pa.Schema] = {
    ("perfecto_reporting", "test_executions"): pa.schema(
        [
            *_texts("id", "external_id", "name", "owner"),
            *_times("start_time", "end_time"),
            ("ux_duration", WHOLE),
            *_texts("status", "job_name"),
            ("job_number", WHOLE),
            *_texts("job_branch", "project_name", "project_version"),
            (
                "videos",
                pa.list_(
                    pa.struct(
                        [
                            ("start_time", WHOLE),
                            ("end_time", WHOLE),
                            *_texts("format", "video_format", "download_url", "streaming_url"),
                            ("screen_width", WHOLE),
                            ("screen_height", WHOLE),
                        ]
                    )
                ),
            ),
            ("tags", pa.list_(TEXT)),
            ("execution_engine_version", TEXT),
            (
                "artifacts",
                pa.list_(
                    pa.struct([*_texts("type", "path", "content_type", "file_name"), ("zipped", pa.bool_())])
                ),
            ),
            *_texts("report_url", "message"),
            ("custom_fields", _pairs("name", "value")),
            *_texts("failure_reason_name", "automation_framework"),
            ("parameters", _pairs("name", "value")),
            ("trigger_type", TEXT),
            *WINDOW,
        ]
    ),
    ("perfecto_reporting", "platforms"): pa.schema(
        [
            ("test_execution_id", TEXT),
            ("platform_index", WHOLE),
            *_texts("device_id", "device_type", "os", "os_version", "screen_resolution", "location"),
            *_texts("mobile_info_manufacturer", "mobile_info_model", "mobile_info_distributor"),
            *_texts("mobile_info_description", "mobile_info_firmware", "mobile_info_operator"),
            ("mobile_info_operator_country", TEXT),
            ("mobile_info_has_audio", pa.bool_()),
            *_texts(
                "browser_info_browser_type", "browser_info_browser_version", "alias", "selection_criteria"
            ),
            ("selection_criteria_v2", _pairs("name", "value")),
            ("custom_fields", _pairs("name", "value")),
            *WINDOW,
        ]
    ),
    ("perfecto_reporting", "commands"): pa.schema(
        [
            ("test_execution_id", TEXT),
            ("step_index", WHOLE),
            ("command_index", WHOLE),
            ("step_name", TEXT),
            *_times("step_start_time", "step_end_time"),
            *_texts("name", "status", "message"),
            *_times("start_time", "end_time"),
            ("ux_duration", WHOLE),
            ("expected_data", _pairs("type", "value")),
            ("result_data", _pairs("type", "value")),
            ("screenshots", pa.list_(TEXT)),
            ("expected_images", _pairs("image_path")),
            ("parameters", _pairs("name", "value", "attributes")),
            ("_test_state", TEXT),
            *WINDOW,
        ]
    ),
    ("enterprise_tester", "script_runs"): pa.schema(
        [
            *_texts("id", "actual_duration", "script_id"),
            ("script_version", WHOLE),
            ("assignment_id", TEXT),
            ("created_at", MOMENT),
            ("last_updated_at", MOMENT),
            *_texts(
                "created_by_id", "created_by", "run_by_id", "run_by", "last_updated_by_id", "last_updated_by"
            ),
            ("status", TEXT),
            ("completed", pa.bool_()),
            *_texts("widgets", "field_values", "self", "_project_id", "_project_name"),
            *WINDOW,
        ]
    ),
    ("enterprise_tester", "step_results"): pa.schema(
        [
            *_texts("run_id", "id"),
            ("step_index", WHOLE),
            *_texts("description", "data", "notes", "expected_result", "actual_result", "outcome"),
            ("has_incidents", pa.bool_()),
            ("has_attachments", pa.bool_()),
            ("self", TEXT),
            *WINDOW,
        ]
    ),
    ("enterprise_tester", "projects"): pa.schema(
        [
            *_texts("id", "name", "organisation_id", "slug"),
            ("start_date", MOMENT),
            ("estimated_end_date", MOMENT),
            ("time_tracking_configuration_hours_per_day", WHOLE),
            ("time_tracking_configuration_days_per_week", WHOLE),
            ("self", TEXT),
            *SNAPSHOT,
        ]
    ),
    ("enterprise_tester", "execution_packages"): pa.schema(
        [
            *_texts("id", "parent_id", "project_id", "name", "stereotype"),
            ("order_number", WHOLE),
            ("self", TEXT),
            *SNAPSHOT,
        ]
    ),
    ("enterprise_tester", "script_assignments"): pa.schema(
        [
            *_texts("id", "script_id", "name", "status", "assigned_to", "assigned_to_id"),
            *_texts(
                "package_id", "package_name", "package_project_id", "self", "_project_id", "_project_name"
            ),
            *SNAPSHOT,
        ]
    ),
}
