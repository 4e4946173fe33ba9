"""Properties are checked the same way everywhere: a crowded machine, or another draw, is no reason to fail a change.

`make proof` draws anew each time (`--hypothesis-profile=search`).
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "flakehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)
settings.register_profile("search", settings.get_profile("flakehouse"), derandomize=False)
settings.load_profile("flakehouse")
