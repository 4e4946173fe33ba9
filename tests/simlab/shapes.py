"""The form of JSON and XML: which keys there are, and which types their values have."""

from __future__ import annotations

from xml.etree.ElementTree import Element

Shape = set[tuple[str, str]]
# Below these a vendor's keys are the user's own words.
FREE_FORM = frozenset(("selectionCriteria", "FieldValues"))


def json_shape(value: object, path: str = "") -> Shape:
    """Every path with the type found there; elements of an array share one path."""
    shape = {(path, type(value).__name__)}
    if isinstance(value, dict) and path.rpartition(".")[2] not in FREE_FORM:
        for key, inner in value.items():
            shape |= json_shape(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            shape |= json_shape(inner, f"{path}[]")
    return shape


def xml_shape(element: Element, path: str = "") -> Shape:
    """Every path with what is there: attributes, text, elements or a mix of both."""
    here = f"{path}/{element.tag}"
    holds = "+".join(
        kind for kind, there in (("text", (element.text or "").strip()), ("elements", len(element))) if there
    )
    shape = {(here, holds or "nothing")} | {(f"{here}@{name}", "text") for name in element.attrib}
    for child in element:
        shape |= xml_shape(child, here)
    return shape
