"""What goes on without anybody: when things are read and built, housekeeping, checks of lateness, alerts."""

BUILD_JOB = "build_warehouse"
POOL = "warehouse"
"""Builds, and what must not happen beside one."""
