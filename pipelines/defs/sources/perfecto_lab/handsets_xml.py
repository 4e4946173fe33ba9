"""Perfecto's XML list of handsets as JSON records, in the shape of its newer JSON service.

An element without children is its text; otherwise an object of its attributes and children, in which repeated
children become a list, and text beside children is the member `content`.
"""

from __future__ import annotations

import itertools
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pipelines.lib.source_errors import Fault

_as_json = msgspec.json.Encoder().encode


def records(body: bytes) -> list[bytes]:
    """One JSON record per handset; entities and document types are refused."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, UnicodeDecodeError, LookupError, RecursionError):
        raise Fault("broken", "the body is not the documented XML") from None
    if root.tag != "handsets":
        raise Fault("broken", "the body is not a list of handsets")
    return [_as_json(_value(handset)) for handset in root.findall("handset")]


def _value(element: Element) -> str | dict[str, object]:
    texts = (element.text, *(child.tail for child in element))
    text = "".join(itertools.compress(texts, texts)).strip()
    members: dict[str, object] = dict(element.attrib)
    for child in element:
        value = _value(child)
        if child.tag not in members:
            members[child.tag] = value
            continue
        held = members[child.tag]
        members[child.tag] = [*held, value] if isinstance(held, list) else [held, value]
    if not members:
        return text
    return members | {"content": text} if text else members
