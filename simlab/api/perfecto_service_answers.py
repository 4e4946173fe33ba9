"""Answers of Perfecto's older `/services`: one value in JSON or in XML, and errors in either."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from starlette.responses import Response

from simlab.api.answers import json_answer

SINGULAR = {"reservations": "reservation", "executions": "execution", "devices": "device"}


class ServiceError(Exception):
    """A call that fails; the text follows "Failed to ... - " in the answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def service_answer(value: Mapping[str, object], is_xml: bool, status: int = 200) -> Response:
    """The value as a JSON object, or as elements below `<response>`."""
    if not is_xml:
        return json_answer(value, status)
    root = ET.Element("response")
    _fill(root, value)
    body = ET.tostring(root, encoding="UTF-8", xml_declaration=True, short_empty_elements=False)
    return Response(body, status, media_type="text/xml")


def error_answer(status: int, text: str, is_xml: bool) -> Response:
    """The vendor's error body."""
    return service_answer({"errorMessage": text}, is_xml, status)


def _fill(element: ET.Element, value: Mapping[str, object]) -> None:
    for name, inner in value.items():
        child = ET.SubElement(element, name)
        if isinstance(inner, dict):
            _fill(child, inner)
        elif isinstance(inner, list):
            for item in inner:
                _fill(ET.SubElement(child, SINGULAR[name]), item)
        else:
            child.text = str(inner).lower() if isinstance(inner, bool) else str(inner)
