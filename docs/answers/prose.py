"""The check of the pages' own words: what a study has to say comes from the study, not from the writer."""

import re
from collections.abc import Iterator

from jinja2 import Environment, nodes

CLAIMS = (
    *("better", "worse", "equivalent", "confirmed", "contradicted", "confirms", "contradicts", "refuted", "refutes"),
    *("significant", "significantly", "outperforms", "superior", "inferior", "proves", "proven"),
)
WORDS = re.compile(rf"\b(?:{'|'.join(CLAIMS)})\b", re.IGNORECASE)
NUMBERS = re.compile(r"(?<![\w.])-?\d+\.\d+|\d+ ?(?:%|percent)|\b\d+ of \d+\b|\bp [<=]|\b\d+ times\b")
# What is no prose: code, the address of a link, a heading's number.
CODE = re.compile(r"```.*?```|^(?: {4}|\t).*$|`[^`\n]*`|(?<=\])\([^)\n]*\)", re.DOTALL | re.MULTILINE)
TAKES_CLAIMS = ("claim", "finding")
TAKES_NUMBERS = ("cited",)


def problems(environment: Environment, source: str) -> list[str]:
    """Claims and numbers of a template that no study gives, each with its line.

    Args:
        environment: Of the template.
        source: The template.
    """
    prose = "".join(text if kind == "data" else "\n" * text.count("\n") for _, kind, text in environment.lex(source))
    return [*_in_text(CODE.sub(lambda code: "\n" * code[0].count("\n"), prose), 1), *_constants(environment, source)]


def _in_text(text: str, first_line: int) -> Iterator[str]:
    for pattern, what in ((WORDS, "claims"), (NUMBERS, "is a number that no study gives")):
        for match in pattern.finditer(text):
            yield f"line {first_line + text.count(chr(10), 0, match.start())}: {match[0].strip()!r} {what}"


def _constants(environment: Environment, source: str) -> Iterator[str]:
    """Texts and numbers that a page would show as they are written in an expression."""
    tree = environment.parse(source)
    arguments = {id(part) for call in tree.find_all(nodes.Call) for part in _within(call)}
    for constant in tree.find_all(nodes.Const):
        if id(constant) not in arguments and isinstance(constant.value, str | float):
            yield from _in_text(str(constant.value), constant.lineno)


def _within(call: nodes.Call) -> Iterator[nodes.Node]:
    """What is given to a function, as it is the name of something there, or is checked by it."""
    for part in (*call.args, *call.kwargs):
        yield part
        yield from part.find_all(nodes.Const)
