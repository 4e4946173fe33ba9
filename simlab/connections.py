"""The lab's addresses, and a ready connections.toml with the lab's own credentials."""

from __future__ import annotations

import os
from pathlib import Path

from simlab.credentials import enterprise_tester_login, hcl_offline_token, perfecto_tokens
from simlab.world.model import World


def perfecto_prefix(connection: str) -> str:
    """Path below which a Perfecto cloud is served."""
    return f"/perfecto/{connection}"


def hcl_prefix(connection: str) -> str:
    """Path below which a test server is served."""
    return f"/hcl/{connection}/rest"


def enterprise_tester_prefix(connection: str) -> str:
    """Path below which an Enterprise Tester application is served."""
    return f"/et/{connection}/EnterpriseTester"


def urls(world: World, base: str) -> dict[str, dict[str, dict[str, str]]]:
    """Kind, connection's name, and the setting that takes each address."""
    perfecto = {}
    for cloud in world.perfecto:
        prefix = base + perfecto_prefix(cloud.connection)
        perfecto[cloud.connection] = {
            "app_url": f"{prefix}/app",
            "executions_url": f"{prefix}/executions",
            "services_url": f"{prefix}/services-host",
        }
    return {
        "perfecto": perfecto,
        "hcl": {server.connection: {"url": base + hcl_prefix(server.connection)} for server in world.hcl},
        "enterprise_tester": {
            server.connection: {"url": base + enterprise_tester_prefix(server.connection)}
            for server in world.enterprise_tester
        },
    }


def connections_toml(world: World, base: str) -> str:
    """The text of a connections.toml for every server of the lab."""
    addresses = urls(world, base)
    tables = []
    for name, table in addresses["perfecto"].items():
        tables.append((f"perfecto.{_key(name)}", table | {"token": perfecto_tokens(name).admin}, None))
    for server in world.hcl:
        table = addresses["hcl"][server.connection] | {"offline_token": hcl_offline_token(server.connection)}
        tables.append((f"hcl.{_key(server.connection)}", table, list(server.project_ids())))
    for name, table in addresses["enterprise_tester"].items():
        username, password = enterprise_tester_login(name)
        tables.append(
            (f"enterprise_tester.{_key(name)}", table | {"username": username, "password": password}, None)
        )
    lines = []
    for heading, table, projects in tables:
        lines.append(f"[{heading}]")
        lines += [f"{key} = {_text(value)}" for key, value in table.items()]
        if projects is not None:
            lines.append(f"projects = [{', '.join(_text(project) for project in projects)}]")
        lines.append("")
    return "\n".join(lines)


def write_connections(path: Path, text: str) -> None:
    """The file, readable by its owner only, replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    aside.replace(path)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
