"""The page at which a one-time link signs in, and the policy under which a browser runs it."""

import base64
import hashlib
import re
from pathlib import Path

PATH = "/sign-in"
PAGE = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")


def _digest(tag: str) -> str:
    """The source of Content-Security-Policy for the only element of this tag."""
    content = re.search(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    assert content is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_digest('script')}; style-src {_digest('style')}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
