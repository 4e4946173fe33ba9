"""The Dagster-facing half that every source shares. It knows no source by name."""
