"""Markdown of tables and commands."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells as text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return "; ".join(text.replace("|", "\\|").split("\n"))


def code(lines: Sequence[str]) -> str:
    """Lines as a block of code."""
    return "\n".join(f"    {line}" for line in lines)
