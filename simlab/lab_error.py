"""What a person asked of the lab that it cannot do."""


class LabError(ValueError):
    """A setting that cannot be met; the text is one line that says which and why."""
