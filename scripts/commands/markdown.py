"""Markdown of the reference pages."""

from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """Text as it may stand in a table's cell: on one line, `|` escaped."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(text: object) -> str:
    """Inline code; empty text stays empty."""
    return f"`{text}`" if str(text) else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)
