"""What the pages say can be followed: links lead somewhere, commands exist, quoted messages are the program's own."""

from __future__ import annotations

import ast
import re
from itertools import chain
from pathlib import Path

import pytest
from typer.main import get_command

from pipelines.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in chain(
        ROOT.glob("*.md"), ROOT.glob("docs/**/*.md"), ROOT.glob("simlab/*.md"), ROOT.glob("pipelines/**/*.md")
    )
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)
FLAKEHOUSE = re.compile(
    r"(?:^\$ (?:\.venv/bin/)?|`(?:\.venv/bin/)?)flakehouse ([a-z]+)([^`\n#]*)", re.MULTILINE
)
MAKE = re.compile(r"(?:^\$ |`)make (?:[A-Z]+=\S+ )?([a-z]+)", re.MULTILINE)
MESSAGE = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text())):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_exists_with_its_options(page: Path) -> None:
    commands = get_command(app).commands
    text = MESSAGE.sub("", page.read_text())
    for name, arguments in FLAKEHOUSE.findall(text):
        assert name in commands, name
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= options | {"--help"}, (name, arguments)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(MAKE.findall(text)) <= targets


def said() -> set[str]:
    """Every text in the code, with … for what is put into it."""
    texts = set()
    for file in (ROOT / "pipelines").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return texts | set((ROOT / "Makefile").read_text().splitlines())


def test_every_message_of_the_troubleshooting_page_is_printed_somewhere() -> None:
    texts = said()
    messages = MESSAGE.findall((ROOT / "docs" / "troubleshooting.md").read_text())
    assert len(messages) > 20
    for message in messages:
        wanted = re.compile(".*".join(map(re.escape, message.split("…"))))
        assert any(
            wanted.search(text) or re.fullmatch(".+".join(map(re.escape, text.split("…"))), message)
            for text in texts
            if len(text.replace("…", "").strip()) >= len("HTTP")
        ), message
