"""Reservations that overlap a window, as `/services/reservations` lists them."""

from __future__ import annotations

from collections.abc import Mapping

from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_handsets import header, listed_id
from simlab.api.perfecto_service_answers import ServiceError
from simlab.clock import DAY, iso_millis
from simlab.world.model import Reservation

RESERVATION_PARAMETERS = frozenset(("resourceIds", "startTime", "endTime"))
# The vendor says that both bounds are mandatory; clients leave the end out and get on.
DEFAULT_WINDOW = 30 * DAY


def reservations(
    cloud: PerfectoCloud, user: str, parameters: Mapping[str, str], now: int
) -> dict[str, object]:
    """`info` and an array, as real clients read it; those made after `now` do not exist yet."""
    start = _time(parameters, "startTime", now)
    end = _time(parameters, "endTime", max(start, now) + DEFAULT_WINDOW)
    spellings = {device.device_id: listed_id(device) for device in cloud.world.devices(now)}
    wanted = {name.strip().lower() for name in parameters.get("resourceIds", "").split(",") if name.strip()}
    sees_people = user == cloud.admin_user and parameters.get("admin") == "true"
    found = []
    for reservation in cloud.world.reservations(start, end):
        if reservation.created_at > now or (wanted and reservation.device_id.lower() not in wanted):
            continue
        resource_id = spellings.get(reservation.device_id, reservation.device_id)
        found.append(_record(reservation, resource_id, sees_people or reservation.reserved_to == user, now))
    about = header(now, len(found))
    info = {
        "creationTime": _moment(now),
        "modelVersion": about["modelVersion"],
        "productVersion": about["productVersion"],
        "time": about["time"],
        "items": about["items"],
    }
    return {"info": info, "reservations": found}


def _record(reservation: Reservation, resource_id: str, names_people: bool, now: int) -> dict[str, object]:
    record: dict[str, object] = {"id": reservation.id, "resourceId": resource_id}
    if names_people:
        record |= {"reservedTo": reservation.reserved_to, "reservedBy": reservation.reserved_to}
    status = "SCHEDULED" if now < reservation.started_at else "STARTED"
    return record | {
        "startTime": _moment(reservation.started_at),
        "endTime": _moment(reservation.ended_at),
        "created": _moment(reservation.created_at),
        "status": "EXPIRED" if now >= reservation.ended_at else status,
        "description": reservation.description,
    }


def _moment(at: int) -> dict[str, object]:
    """The vendor writes milliseconds as text here."""
    return {"formatted": iso_millis(at), "millis": str(at)}


def _time(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ServiceError(f"Parameter {name} must be milliseconds since 1970") from None
