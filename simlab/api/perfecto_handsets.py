"""The handsets of a Perfecto cloud at a given time, in the vendor's XML and in its newer JSON.

Everything is text, booleans too. What a device that is not connected cannot tell is absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from simlab.api.answers import draw
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_records import distributor_of
from simlab.clock import SECOND
from simlab.world.model import Device

MODEL_VERSION = "2.21.0.0"
PRODUCT_VERSION = "19.3"
OS_NAMES = {"ANDROID": "Android", "IOS": "iOS"}
# state of the world: status, mode, and the word of the `status` filter, which is a vocabulary of its own
STATES = {
    "CONNECTED": ("Connected", "CONNECTED", "connected"),
    "NOT_CONNECTED": ("Not Connected", "NOT_CONNECTED", "disconnected"),
    "ERROR": ("Error", "ERROR", "unavailable"),
    "MAINTENANCE": ("Ready to connect", "READY_TO_CONNECT", "unavailable"),
}
# filter parameter: path of the element it is matched with, as a regular expression anywhere in the text
FILTERS = {
    "deviceId": "deviceId",
    "manufacturer": "manufacturer",
    "model": "model",
    "distributor": "distributer",
    "firmware": "firmware",
    "operator.name": "operator/name",
    "operator.country": "operator/country",
    "operator.code": "operator/code",
    "description": "description",
    "location": "location",
    "language": "language",
    "allocatedTo": "allocatedTo",
    "reservedTo": "reservedTo",
    "inUse": "inUse",
    "cradleId": "cradleId",
    "os": "os",
    "osVersion": "osVersion",
    "resolution": "resolution",
    "phoneNumber": "phoneNumber",
    "link.type": "link/type",
}
Handset = dict[str, object]


def listed_id(device: Device) -> str:
    """The id as the device lists spell it: other capitals than in the reports, for one device in three."""
    if draw(device.device_id, "spelling", 3):
        return device.device_id
    small = device.device_id.lower()
    return small if small != device.device_id else device.device_id.upper()


class Handsets:
    """The device list of a cloud: real devices only, as simulators and desktops are rented by licence."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud

    def all(self, user: str, now: int) -> list[Handset]:
        """Every handset now."""
        in_use = {d.device_id: run.owner for run in self._cloud.running(now) for d in run.devices}
        reserved = {
            r.device_id: r.reserved_to
            for r in self._cloud.world.reservations(now, now + 1)
            if r.created_at <= now
        }
        is_admin = user == self._cloud.admin_user
        handsets = []
        for device in self._cloud.world.devices(now):
            if device.device_type != "MOBILE":
                continue
            state = self._cloud.world.device_state(device.device_id, now)
            handset = _handset(device, state, device.device_id in in_use, device.device_id in reserved)
            holder, booker = in_use.get(device.device_id), reserved.get(device.device_id)
            if holder is not None and "inUse" in handset and (is_admin or holder == user):
                handset["allocatedTo"] = holder
            if booker is not None and (is_admin or booker == user):
                handset["reservedTo"] = booker
            handsets.append(handset)
        return handsets


def _handset(device: Device, state: str, is_held: bool, is_reserved: bool) -> Handset:
    status, mode, _ = STATES[state]
    is_connected = state == "CONNECTED"
    # Of some devices that are away the cloud knows little more than the name.
    is_known = is_connected or draw(device.device_id, "known", 2) == 0
    cradle = (
        f"{device.location[-3:]}-C{draw(device.device_id, 'cradle', 9)}-F{draw(device.device_id, 'floor', 9)}"
    )
    cradle += "/VIRTUAL/01"
    handset: Handset = {
        "deviceId": listed_id(device),
        "manufacturer": device.manufacturer,
        "model": device.model,
        "distributer": distributor_of(device),
        "description": device.description,
        "firmware": device.firmware if is_known else "",
        "imsi": device.imsi if draw(device.device_id, "imsi", 4) == 0 else "",
        "nativeImei": device.imei or "NOT-AVAILABLE",
    }
    if device.os == "IOS":
        major = device.os_version.partition(".")[0]
        handset |= {"osBuild": f"{major}A{432 + draw(device.device_id, 'build', 500)}", "cpuArch": "arm64"}
    handset |= {
        "wifiMacAddress": device.wifi_mac_address if is_known else "",
        "link": {"type": "lab" if is_known else "unknown"},
        "operator": {
            "name": device.operator,
            "country": device.operator_country,
            "code": operator_code(device),
        },
        "phoneNumber": device.phone_number,
        "location": device.location,
        "lastCradleId": cradle if is_known else "",
        "language": "English",
        "status": status,
        "mode": mode,
        "available": _text(is_connected and not is_held),
        "reserved": _text(is_reserved),
    }
    if is_connected:
        handset |= {"inUse": _text(is_held), "operabilityRating": {"score": "100"}, "cradleId": cradle}
        if draw(device.device_id, "position", 4):
            slot = str(draw(device.device_id, "slot", 9))
            handset["position"] = {"id": slot, "method": "VIRTUAL", "rotation": "0"}
        handset["debugLogs"] = {"collecting": "false"}
    handset |= {
        "os": OS_NAMES.get(device.os, device.os.capitalize()),
        "osVersion": device.os_version if is_known else "",
        "resolution": device.resolution,
    }
    if draw(device.device_id, "roles", 3) == 0:
        handset["dynamicFields"] = {"property": {"name": "Device Roles", "content": "Automation"}}
    return handset


def operator_code(device: Device) -> str:
    """The network's code; empty for a device without a network."""
    return f"310{draw(device.operator, 'network', 900):03d}" if device.operator else ""


def _text(value: bool) -> str:
    return "true" if value else "false"


def matches(handset: Handset, filters: dict[str, str]) -> bool:
    """True when every filter's expression is found in its element; an absent element is empty text."""
    for name, wanted in filters.items():
        if name == "status":
            words = {word for status, _, word in STATES.values() if status == handset["status"]}
            if wanted.lower() not in words:
                return False
            continue
        value: object = handset
        for part in FILTERS[name].split("/"):
            value = value.get(part, "") if isinstance(value, dict) else ""
        if re.search(wanted, str(value), re.IGNORECASE) is None:
            return False
    return True


def header(now: int, items: int) -> dict[str, str]:
    """The attributes of the root; `time` has a colon between day and time and dashes within the time."""
    at = datetime.fromtimestamp(now // SECOND, UTC)
    return {
        "modelVersion": MODEL_VERSION,
        "productVersion": PRODUCT_VERSION,
        "time": f"{at:%Y-%m-%d:%H-%M-%S} GMT",
        "timeStamp": str(now),
        "items": str(items),
    }


def as_json(handsets: Sequence[Handset], now: int) -> dict[str, object]:
    """The newer service's list. One handset alone is an object, not an array."""
    listed: object = handsets[0] if len(handsets) == 1 else list(handsets)
    return {"handsets": header(now, len(handsets)) | {"handset": listed}}


def list_as_xml(handsets: Sequence[Handset], now: int) -> bytes:
    """`<handsets>` with one `<handset>` each."""
    root = ET.Element("handsets", header(now, len(handsets)))
    for handset in handsets:
        _fill(ET.SubElement(root, "handset"), handset)
    return _document(root)


def info_as_xml(handset: Handset, now: int) -> bytes:
    """One `<handset>` with the attributes of the list's root."""
    root = ET.Element("handset", header(now, 1))
    _fill(root, handset)
    return _document(root)


def _fill(element: ET.Element, handset: Handset) -> None:
    for name, value in handset.items():
        child = ET.SubElement(element, name)
        if not isinstance(value, dict):
            child.text = str(value)
        elif name == "dynamicFields":
            role = ET.SubElement(child, "property", {"name": value["property"]["name"]})
            role.text = value["property"]["content"]
        else:
            if name == "operator" and value["name"]:
                child.text = f"{value['name']}-{value['country']}"
            for inner, text in value.items():
                ET.SubElement(child, inner).text = text


def _document(root: ET.Element) -> bytes:
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True, short_empty_elements=False)
