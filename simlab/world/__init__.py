"""The simulated lab's world: what truly happens, day by day, from a seed. Vendors' dialects are `simlab.api`'s."""

from __future__ import annotations

from datetime import date

from simlab.world.lab import Lab


def build_world(
    seed: int,
    first_day: date,
    days: int,
    density: float = 1.0,
) -> Lab:
    """The default world: a Perfecto cloud `acme`, an HCL server `ots`, an Enterprise Tester server `et`.

    A density of 1 is about 550 test runs on a working day; 250 is 100 a minute. It scales devices, jobs and tests
    of the Perfecto cloud alike. Nothing is made before it is asked for.
    """
    return Lab(seed, first_day, days, density)


__all__ = ["Lab", "build_world"]
