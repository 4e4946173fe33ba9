"""From the lake to the published warehouse: the dbt models, failure families between them, and publication."""
