"""Properties are checked the same way everywhere: a crowded machine is no reason to fail one."""

from hypothesis import HealthCheck, settings

settings.register_profile("flakehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("flakehouse")
