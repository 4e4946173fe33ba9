"""One folder per API. Deleting a folder deletes the source: everything here is found, nothing is registered."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType


def contracts() -> Iterator[ModuleType]:
    """The contract of every source."""
    for path in sorted(Path(__file__).parent.glob("*/contract.py")):
        yield import_module(f"{__name__}.{path.parent.name}.contract")
