"""Perfecto device management: the newer list of handsets in JSON, which some clouds refuse."""

from __future__ import annotations

import secrets

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simlab.api.answers import json_answer, user_message
from simlab.api.perfecto_cloud import PerfectoCloud
from simlab.api.perfecto_handsets import Handsets, as_json

DEVICES = "/app/api/v1/device-management/devices"


class DeviceManagement:
    """The list and one device."""

    def __init__(self, cloud: PerfectoCloud) -> None:
        self._cloud = cloud
        self._handsets = Handsets(cloud)

    def _refusal(self) -> Response | None:
        if self._cloud.device_json == "forbidden":
            return user_message(403, "The operation is not supported in this cloud", _trace())
        if self._cloud.device_json == "unauthorised":
            return user_message(401, "Unable to authenticate bearer token", _trace())
        return None

    async def devices(self, request: Request) -> Response:
        """All handsets; the body is `{"device": {}}`, with fields to match inside."""
        user = self._cloud.user(request)
        if (refusal := self._refusal()) is not None:
            return refusal
        try:
            body = msgspec.json.decode(await request.body() or b"{}", type=dict[str, dict[str, str]])
        except msgspec.DecodeError:
            return user_message(400, "The request body is not valid", _trace())
        now = self._cloud.clock.now()
        wanted = body.get("device", {})
        found = [
            handset
            for handset in self._handsets.all(user, now)
            if all(str(handset.get(name, "")) == value for name, value in wanted.items())
        ]
        return json_answer(as_json(found, now))

    async def device(self, request: Request) -> Response:
        """One handset by its id, in any spelling."""
        user = self._cloud.user(request)
        if (refusal := self._refusal()) is not None:
            return refusal
        wanted = request.path_params["device_id"].lower()
        for handset in self._handsets.all(user, self._cloud.clock.now()):
            if str(handset["deviceId"]).lower() == wanted:
                return json_answer({"handset": handset})
        return user_message(404, "The device was not found", _trace())


def _trace() -> str:
    """A trace id of the vendor's form."""
    return f"1-{secrets.token_hex(4)}-{secrets.token_hex(12)}"


def routes(cloud: PerfectoCloud) -> list[Route]:
    """Routes below the cloud's prefix."""
    management = DeviceManagement(cloud)
    return [
        Route(DEVICES, management.devices, methods=["POST"]),
        Route(DEVICES + "/{device_id:path}", management.device),
    ]
