"""Why things fail in the simulated lab: each cause with the many texts it appears under.

A cause is one mistake in one place. Its wordings are different texts (languages, layers of a stack, truncation)
and share the names of what is broken. Some say nothing but `NullPointerException` or `AssertionError`, as real ones
do, and under more than one cause: then only the application's frames tell. No two causes share text and frames.
"""

from __future__ import annotations

from simlab.world.causes import application, environment, manual, of_the_lab, scripting
from simlab.world.causes.words import Cause, Wording, message

BY_ID: dict[str, Cause] = {
    cause.cause_id: cause
    for module in (application, scripting, environment, of_the_lab, manual)
    for cause in module.CAUSES
}
# What a test of its own can fail for. The lab's own causes only act in outages and as single blocked runs.
TEST_CAUSES = tuple(c.cause_id for module in (application, scripting, environment) for c in module.CAUSES)
PRODUCT_CAUSES = tuple(c.cause_id for c in application.CAUSES)
MANUAL_CAUSES = tuple(c.cause_id for c in manual.CAUSES)

__all__ = ["BY_ID", "MANUAL_CAUSES", "PRODUCT_CAUSES", "TEST_CAUSES", "Cause", "Wording", "message"]
