"""Which passwords are accepted, and how e-mail addresses are compared.

Length instead of composition rules, and a blocklist whose reason is given: NIST SP 800-63B-4, 3.1.1.2.
"""

import re
import unicodedata
from itertools import pairwise

LEAST_LENGTH = 15
MOST_LENGTH = 1024
FEWEST_CHARACTERS = 6  # different ones
# Parts of passwords that are tried first, in English and Indonesian.
COMMON = (
    "password|passw0rd|katasandi|sandi|rahasia|secret|qwertyuiop|qwerty|asdfghjkl|asdfgh|zxcvbnm|letmein|"
    "welcome|selamatdatang|iloveyou|akucintakamu|sayang|indonesia|jakarta|bismillah|admin|administrator|"
    "operator|lumbung|harga|pasar|monkey|dragon|football|sunshine|princess|superman|batman|changeme|default"
)
SEQUENCES = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm")
LEAST_REST = 8  # characters that must remain when common parts, digits and separators are taken away
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")


def normal_password(password: str) -> str:
    """The password in Unicode NFC, so that two keyboards give the same bytes."""
    return unicodedata.normalize("NFC", password)


def normal_email(email: str) -> str | None:
    """The address in lower case, by which accounts are compared; None for what is no address."""
    text = unicodedata.normalize("NFC", email.strip()).lower()
    return text if len(text) <= 254 and EMAIL.fullmatch(text) else None


def password_fault(password: str, email: str = "") -> str | None:
    """The name of the rule that a password breaks; None when it is accepted."""
    text = normal_password(password)
    if not LEAST_LENGTH <= len(text) <= MOST_LENGTH:
        return "password_length"
    plain = text.lower()
    if len(set(plain)) < FEWEST_CHARACTERS or re.fullmatch(r"(.{1,10}?)\1+.{0,9}", plain, re.DOTALL):
        return "password_repeats"
    if _is_sequence(plain):
        return "password_sequence"
    local_part = re.escape(email.lower().partition("@")[0])
    known = f"{local_part}|{COMMON}" if len(email.partition("@")[0]) >= 4 else COMMON
    rest = re.sub(r"[\W\d_]", "", re.sub(known, "", plain))
    return "password_common" if len(rest) < LEAST_REST else None


def _is_sequence(text: str) -> bool:
    """Whether most of it goes through the alphabet, the digits or the keyboard, forwards or backwards."""
    lines = [line for row in SEQUENCES for line in (row, row[::-1])]
    pairs = {pair for line in lines for pair in pairwise(line)}
    steps = list(pairwise(text))
    return sum(step in pairs for step in steps) > 0.7 * len(steps)
