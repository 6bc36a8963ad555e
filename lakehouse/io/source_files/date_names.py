"""Names of months and days in dates, in Indonesian or English, as the short names that strptime reads."""

import re

# The first of each is what strptime reads for %b or %a; the others are spellings of it, Indonesian first.
MONTHS = (
    "Jan Januari January",
    "Feb Februari Pebruari February",
    "Mar Maret March",
    "Apr April",
    "May Mei",
    "Jun Juni June",
    "Jul Juli July",
    "Aug Agustus Agu Ags Agt August",
    "Sep September Sept",
    "Oct Oktober Okt October",
    "Nov November Nopember Nop",
    "Dec Desember Des December",
)
DAYS = (
    "Mon Senin Sen Monday",
    "Tue Selasa Sel Tuesday",
    "Wed Rabu Rab Wednesday",
    "Thu Kamis Kam Thursday",
    "Fri Jumat Jum Friday",
    "Sat Sabtu Sab Saturday",
    "Sun Minggu Min Ahad Sunday",
)
SHORT = {name.lower(): spellings.split()[0] for spellings in (*MONTHS, *DAYS) for name in spellings.split()}
SHORT_DIRECTIVES = {"%B": "%b", "%A": "%a"}
DIRECTIVE = re.compile("%.")
WORD = re.compile(r"[^\W\d_]+(?:['’`][^\W\d_]+)?")


def with_short_names(text: str, pattern: str) -> tuple[str, str]:
    """(text, pattern) with short English names where the pattern has %b, %B, %a or %A, else unchanged."""
    directives = DIRECTIVE.findall(pattern)
    if not {"%b", "%B", "%a", "%A"} & set(directives):
        return text, pattern
    short = DIRECTIVE.sub(lambda match: SHORT_DIRECTIVES.get(match[0], match[0]), pattern)
    return WORD.sub(lambda match: SHORT.get(re.sub("['’`]", "", match[0]).lower(), match[0]), text), short
