"""Texts of strangers, made harmless for the programs that show them: terminals and spreadsheets."""

import re

# Line feed and tab are text. Terminals obey C0 and C1 codes; bidirectional controls reorder text.
C0_CODES = "\x00-\x08\x0b-\x1f"
C1_AND_BIDIRECTIONAL = "\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
CONTROLS = re.compile(f"[{C0_CODES}{C1_AND_BIDIRECTIONAL}]")
UNESCAPED_BY_JSON = re.compile(f"[{C1_AND_BIDIRECTIONAL}]")
FORMULA = re.compile(r"[=+\-@\t\r]")  # what begins a formula in a spreadsheet


def visible(text: str) -> str:
    """The text with U+FFFD for each character that a terminal would obey instead of showing it."""
    return CONTROLS.sub("\ufffd", text)


def escaped_json(document: str) -> str:
    """The same JSON document, in which characters that a terminal would obey are escaped."""
    return UNESCAPED_BY_JSON.sub(lambda control: f"\\u{ord(control[0]):04x}", document)


def spreadsheet_text(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{text}" if FORMULA.match(text) and not is_number(text) else text


def is_number(text: str) -> bool:
    """Whether the whole text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
