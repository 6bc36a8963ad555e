"""Which passwords are accepted, and how e-mail addresses are compared.

Length and an estimate of the guesses that it takes instead of composition rules, and a reason for a refusal:
NIST SP 800-63B-4, 3.1.1.2. The estimate: Wheeler, zxcvbn: Low-Budget Password Strength Estimation, 2016.
"""

import re
import unicodedata
from typing import Any

from zxcvbn import zxcvbn

LEAST_LENGTH = 15
MOST_LENGTH = 1024
ESTIMATED = 32  # characters at the beginning: the estimate of 72 takes up to 2 s, of 32 up to 0.3 s
BEST_SCORE = 4  # 10^10 guesses, the highest score
ENOUGH_LOG10 = 18  # guesses by which known words alone are enough: four English ones
LEAST_UNKNOWN = 8  # letters outside of known words, where the guesses are fewer
# What is tried first here, beside the English lists of zxcvbn.
WORDS = (
    "admin administrator operator lumbung harga pasar rahasia sandi katasandi indonesia jakarta bismillah "
    "sayang selamatdatang akucintakamu cinta asdfghjkl letmein welcome changeme"
)
RULES = {"repeat": "password_repeats", **dict.fromkeys(("sequence", "spatial", "date"), "password_sequence")}
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")


def normal_password(password: str) -> str:
    """The password in Unicode NFC, so that two keyboards give the same bytes."""
    return unicodedata.normalize("NFC", password)


def normal_email(email: str) -> str | None:
    """The address in lower case, by which accounts are compared; None for what is no address."""
    text = unicodedata.normalize("NFC", email.strip()).lower()
    return text if len(text) <= 254 and EMAIL.fullmatch(text) else None


def password_fault(password: str, email: str = "") -> str | None:
    """The name of the rule that a password breaks; None when it is accepted. Takes up to 0.3 s."""
    text = normal_password(password)
    if not LEAST_LENGTH <= len(text) <= MOST_LENGTH:
        return "password_length"
    own = [email.partition("@")[0], email] if len(email.partition("@")[0]) >= 4 else []
    estimate = zxcvbn(text[:ESTIMATED], user_inputs=[*own, *WORDS.split()])
    parts: list[dict[str, Any]] = estimate["sequence"]
    unknown = "".join(part["token"] for part in parts if part["pattern"] == "bruteforce")
    is_known = sum(map(str.isalpha, unknown)) < LEAST_UNKNOWN and estimate["guesses_log10"] < ENOUGH_LOG10
    if estimate["score"] == BEST_SCORE and not is_known:
        return None
    longest = max(parts, key=lambda part: len(part["token"]))
    of_address = any(word.lower() in text.lower() for word in own)
    return "password_common" if of_address else RULES.get(longest["pattern"], "password_common")
