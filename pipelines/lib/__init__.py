"""Pure parts: no Dagster, no environment, no clock that was not handed in."""
