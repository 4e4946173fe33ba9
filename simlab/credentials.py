"""Who may ask the lab: fixed synthetic credentials per connection. They open nothing but the lab."""

from __future__ import annotations

from dataclasses import dataclass

ADMIN = "lab-admin"


@dataclass(frozen=True, slots=True)
class PerfectoTokens:
    """Security tokens of one Perfecto cloud, in the shape of the vendor's offline tokens."""

    admin: str  # sees every execution
    member: str  # sees only its own in the Execution Manager


def perfecto_tokens(connection: str) -> PerfectoTokens:
    """Tokens of a cloud, by its connection's name."""
    return PerfectoTokens(
        admin=f"eyJsimlab.{connection}.admin-offline-token",
        member=f"eyJsimlab.{connection}.member-offline-token",
    )


def hcl_offline_token(connection: str) -> str:
    """The offline token of a test server's user."""
    return f"eyJsimlab.{connection}.hcl-offline-token"


def enterprise_tester_login(connection: str) -> tuple[str, str]:
    """User name and password for Basic authentication."""
    return "lab-reader", f"simlab-{connection}-password"
