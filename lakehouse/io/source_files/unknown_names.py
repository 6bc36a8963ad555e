"""Names in a file that no reference list has, as YAML to copy into LUMBUNG_HOME/reference."""

import difflib
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from lakehouse.contracts.contract import kinds
from lakehouse.reference import (
    LONGEST_CODE,
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    provinces,
    region_aliases,
    slug,
    unit_aliases,
    variety_words,
)
from lakehouse.reference_files import own_folder

ALIKE = 0.8  # difflib's ratio of two spellings from which a name is suggested as an alias
BAND_FACTOR = 10  # the bounds of a new commodity are this far from the median of the file
USUAL_UNIT = "kg"  # of a new commodity of which the file names none
VOLATILITY = 0.02  # of a new commodity, per day: about the middle one of the list
MOST_PRICES = 1000  # of one unknown commodity, for its median
KNOWN: dict[str, Callable[[], Mapping[str, object]]] = {
    "commodity": commodity_aliases,
    "region": region_aliases,
    "unit": unit_aliases,
    "market": markets,
}
PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ./_-]*[A-Za-z0-9.])?")
NOT_TEXT = {"no", "yes", "on", "off", "true", "false", "null", "y", "n"}  # in some version of YAML


class UnknownNames:
    """Collects the names of payloads that no reference list has."""

    def __init__(self, regions: Iterable[str] = ()) -> None:
        self._unknown: dict[str, dict[str, list[float]]] = defaultdict(dict)  # list -> name -> prices
        self._known: set[tuple[str, str]] = set()
        self._units: dict[str, str] = {}  # unknown name -> the first listed unit that came with it
        for name in regions:
            self._note("region", name, {})

    def note(self, kind: str, payload: Mapping[str, object]) -> None:
        """Note the names of one payload. A market matters only where no region is given."""
        for field in kinds()[kind].payload:
            name = payload.get(field.name)
            if field.names in KNOWN and isinstance(name, str):
                self._note(str(field.names), name, payload)
        market = payload.get("market_id")
        if kind == "price" and "region" not in payload and isinstance(market, str):
            self._note("market", market, payload)

    def _note(self, list_name: str, name: str, payload: Mapping[str, object]) -> None:
        if (list_name, name) in self._known:
            return
        if (name if list_name == "market" else matching_key(name)) in KNOWN[list_name]():
            self._known.add((list_name, name))
            return
        prices = self._unknown[list_name].setdefault(name, [])
        unit = unit_aliases().get(matching_key(str(payload.get("unit", ""))))
        if unit is not None:
            self._units.setdefault(name, unit)
        price = payload.get("price")
        if isinstance(price, float) and price > 0 and len(prices) < MOST_PRICES:
            prices.append(price)

    def __bool__(self) -> bool:
        return any(self._unknown.values())

    def yaml(self) -> str:
        """Entries for each list that lacks names, below the file that they belong in.

        What the file does not tell is `?` and must be written.
        """
        unknown = self._unknown
        sections = {
            ("commodities.yml", "commodities"): [
                commodity_entry(name, prices, self._units.get(name, USUAL_UNIT))
                for name, prices in unknown["commodity"].items()
            ],
            ("commodities.yml", "units"): [unit_entry(name) for name in unknown["unit"]],
            ("provinces.yml", "provinces"): [region_entry(name) for name in unknown["region"]],
            ("markets.yml", "markets"): [market_entry(name) for name in unknown["market"]],
        }
        lines: list[str] = []
        for (file, section), entries in sections.items():
            if entries:
                lines += [f"# {own_folder() / file}", f"{section}:", *entries]
        return "\n".join(lines)


def commodity_entry(name: str, prices: list[float], unit: str) -> str:
    """An alias of the commodity with the most similar name, else a new one as the file prices it."""
    spelled = {text: entry.id for entry in commodities().values() for text in (entry.name, *entry.aliases)}
    spellings = {matching_key(text): entry for text, entry in spelled.items() if are_one_variety(name, text)}
    alike = most_similar(name, spellings)
    if alike is not None:
        return f"  - {{id: {alike}, aliases: [{quoted(name)}]}}  # or another id, if it is not the same"
    figures = "band_idr: [?, ?], typical_idr: ?"
    if prices:
        typical = statistics.median(prices)
        low, high = typical / BAND_FACTOR, typical * BAND_FACTOR
        figures = f"band_idr: [{low:.0f}, {high:.0f}], typical_idr: {typical:.0f}"
    rest = f"group: other, unit: {unit}, {figures}, daily_volatility: {VOLATILITY}"
    return f"  - {{id: {slug(name)}, name: {quoted(name)}, {rest}}}"


def are_one_variety(name: str, other: str) -> bool:
    """Whether two names of commodities may mean the same: no word is replaced by another one, and none that
    only one of them has is a number or names a colour, a grade or a cut."""
    ours, theirs = (re.findall(r"[0-9a-z]+", text.lower()) for text in (name, other))
    only_ours = [word for word in ours if not is_spelled_in(word, theirs)]
    only_theirs = [word for word in theirs if not is_spelled_in(word, ours)]
    varieties = variety_words()
    return not (only_ours and only_theirs) and not any(
        word in varieties or word.isdigit() for word in (*only_ours, *only_theirs)
    )


def is_spelled_in(word: str, words: list[str]) -> bool:
    """Whether it is one of the words, or a misspelling of one; two words that name varieties never are."""
    others = words if word not in variety_words() else [each for each in words if each not in variety_words()]
    return word in words or bool(difflib.get_close_matches(word, others, 1, ALIKE))


def unit_entry(name: str) -> str:
    """A spelling of a unit; which one is to be written."""
    return f"  ?: [{quoted(name)}]  # one of {', '.join(sorted(set(unit_aliases().values())))}"


def region_entry(name: str) -> str:
    """An alias of the province with the most similar name, else of one whose code is to be written."""
    names = {key: code for key, code in region_aliases().items() if len(key) > LONGEST_CODE}
    code = most_similar(name, names)
    comment = f"{provinces()[code].name}?" if code else "the code of its province"
    return f'  - {{code: "{code or "?"}", aliases: [{quoted(name)}]}}  # {comment}'


def market_entry(market_id: str) -> str:
    """A market; the code of its province is to be written."""
    name = " ".join(part.capitalize() for part in market_id.split("-"))
    return f'  - {{market_id: {quoted(market_id)}, name: {quoted(name)}, region: "?"}}'


def most_similar(name: str, known: Mapping[str, str]) -> str | None:
    """The id of the spelling most like `name`; None where none is alike."""
    matches = difflib.get_close_matches(matching_key(name), known, 1, ALIKE)
    return known[matches[0]] if matches else None


def quoted(text: str) -> str:
    """The text as a YAML scalar that every version reads as text."""
    return text if PLAIN.fullmatch(text) and text.lower() not in NOT_TEXT else json.dumps(text)
