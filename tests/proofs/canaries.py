"""A small world whose every secret is a word that occurs nowhere else, and the search for those words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import duckdb

from simlab.credentials import enterprise_tester_login, hcl_offline_token, perfecto_tokens
from simlab.world.model import DockerHost, ServerExecution
from tests.simlab.tiny_world import (
    DESKTOP,
    MINUTE,
    NOON,
    PHONE,
    TABLET,
    TinyEnterpriseTester,
    TinyHcl,
    TinyPerfecto,
    TinyWorld,
    assignment,
    script_run,
    test_run,
)

OF_DEVICES = {
    "imei": "471100000000001",
    "imsi": "471100000000002",
    "phone_number": "+1-4711-0100",
    "wifi_mac_address": "47:11:ca:na:00:01",
}
OF_DOCKER_HOSTS = {
    "username": "canary-docker-user",
    "ca_cert": "-----BEGIN CERTIFICATE-----canaryca",
    "client_cert": "-----BEGIN CERTIFICATE-----canarycert",
    "client_key": "-----BEGIN PRIVATE KEY-----canarykey",
}
IN_A_URL = "canary-of-a-url"
IN_A_TEXT = "canary-of-a-text"
_LOGIN = ":".join(enterprise_tester_login("et"))
CREDENTIALS = {
    "security token": perfecto_tokens("acme").admin,
    "offline token": hcl_offline_token("ots"),
    "access token": "eyJsimlab.",  # the beginning of every token that the lab issues
    "password": enterprise_tester_login("et")[1],
    "login as it is sent": base64.b64encode(_LOGIN.encode()).decode(),
}
SECRETS = {
    **OF_DEVICES,
    **OF_DOCKER_HOSTS,
    **CREDENTIALS,
    "in a URL": IN_A_URL,
    "in a text": IN_A_TEXT,
    "signature": "signature=",
}
NO_SECRET = PHONE.device_id  # lands, and must be found by the same search

_PHONE = replace(PHONE, **OF_DEVICES)
_MESSAGE = f"GET https://lab.example/app.apk?token={IN_A_URL}&v=2 answered 403; see\nhttps://x.example/?sig={IN_A_URL}"

# As scripts and tools write them into messages and logs.
_TEXTS = [
    f"Authorization: Bearer {IN_A_TEXT}", f"eyJhbGciOiJub25lIn0.{IN_A_TEXT}.{IN_A_TEXT}",
    f"https://ann:{IN_A_TEXT}@lab.example/", f"https://x.example/?to=y%253Ftoken%253D{IN_A_TEXT}",
    json.dumps({"perfecto:securityToken": IN_A_TEXT, "caps": json.dumps({"offlineToken": IN_A_TEXT})}),
    f"{{'accessToken': '{IN_A_TEXT}'}}", f"securityToken: {IN_A_TEXT}",
]  # fmt: skip


class _Hcl(TinyHcl):
    def docker_hosts(self) -> Sequence[DockerHost]:
        return [replace(host, **OF_DOCKER_HOSTS) for host in super().docker_hosts()]


def world() -> TinyWorld:
    """Every documented field that holds a secret holds one of ours."""
    runs = [
        test_run(n, NOON, devices=(_PHONE, DESKTOP), message=message)
        for n, message in enumerate([_MESSAGE, *_TEXTS])
    ]
    running = test_run(19, NOON + 59 * MINUTE, ended_at=NOON + 300 * MINUTE, devices=(_PHONE,))
    executions = [
        ServerExecution(
            f"1cee02cb-9a89-4175-acef-6af12049747{n}", "1050", "2451", "COMPLETE_WITH_ERROR", NOON, NOON,
            NOON + MINUTE, _MESSAGE, "Staging", "a1", "suites/a", "APISUITE", ("nightly",),
            "\n".join([f"curl https://x.example/?refresh_token={IN_A_URL}", *_TEXTS]),
        )
        for n in range(3)
    ]  # fmt: skip
    one = assignment("pay")
    return TinyWorld(
        [TinyPerfecto([*runs, running], fleet=(_PHONE, TABLET, DESKTOP))],
        [_Hcl(executions)],
        [TinyEnterpriseTester([script_run("r1", one, NOON)], [one])],
    )


@dataclass(frozen=True)
class Found:
    """A secret, and the file that holds it."""

    secret: str
    place: str


def forms(secret: str) -> set[bytes]:
    """A secret as text, as part of a URL, and as JSON text within JSON text."""
    return {secret.encode(), quote(secret, safe="").encode(), secret.replace("/", "\\/").encode()}


def searched(text: bytes, place: str, secrets: dict[str, str]) -> list[Found]:
    return [
        Found(name, place)
        for name, secret in secrets.items()
        if any(form.lower() in text.lower() for form in forms(secret))
    ]


def everywhere(home: Path, secrets: dict[str, str]) -> Iterator[Found]:
    """Every file below a home, as it is, and once more decoded where it is Parquet or DuckDB."""
    for file in sorted(path for path in home.rglob("*") if path.is_file()):
        place = str(file.relative_to(home))
        yield from searched(place.encode() + file.read_bytes(), place, secrets)
        if file.suffix in (".parquet", ".duckdb"):
            yield from searched(_decoded(file).encode(), place, secrets)


def _decoded(file: Path) -> str:
    if file.suffix == ".parquet":
        with duckdb.connect(":memory:") as database:
            return str(database.execute("from read_parquet($file)", {"file": str(file)}).fetchall())
    with duckdb.connect(str(file), read_only=True) as database:
        tables = database.sql("select schema_name, table_name from duckdb_tables()").fetchall()
        return "\n".join(
            str(database.sql(f'from "{schema}"."{table}"').fetchall()) for schema, table in tables
        )
