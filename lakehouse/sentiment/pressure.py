"""Price pressure of a text, per commodity that it names: rising, falling, stable or scarce, by rules."""

from collections.abc import Iterable, Sequence
from typing import Literal

from lakehouse.sentiment.lexicon import Mention, is_negated, lexicon, mentions, words_of

Pressure = Literal["naik", "turun", "stabil", "langka"]
PRESSURES: tuple[Pressure, ...] = ("naik", "turun", "stabil", "langka")


def pressures(text: str, declared: Iterable[str] = ()) -> dict[str, Pressure | None]:
    """Commodity -> pressure, None where the text states none.

    The commodities are those that the text names and those `declared` with it. A commodity that the text
    does not name gets the first pressure of the text: the text as a whole is about it.
    """
    words = words_of(text)
    stated = [(position, name) for position in range(len(words)) if (name := _stated(words, position))]
    by_commodity: dict[str, Pressure | None] = {}
    for mention in mentions(words):
        nearest = _nearest(mention, stated)
        by_commodity[mention.key] = by_commodity.get(mention.key) or nearest
    first = stated[0][1] if stated else None
    for commodity in declared:
        by_commodity.setdefault(commodity, first)
    return by_commodity


def _stated(words: Sequence[str], position: int) -> Pressure | None:
    """What the word states; a price that does not rise or fall, and a stock that is not scarce, is stable."""
    pressure = lexicon().pressure.get(words[position])
    if pressure is None:
        return None
    named: Pressure = next(name for name in PRESSURES if name == pressure)
    if is_negated(words, position):
        after = words[position + 1 : position + 1 + lexicon().negation_reach]
        corrected = any(word in lexicon().contrasts for word in after)  # "bukan turun malah naik"
        return None if named == "stabil" or corrected else "stabil"
    return named


def _nearest(mention: Mention, stated: Sequence[tuple[int, Pressure]]) -> Pressure | None:
    """The statement nearest to the name within reach; of two equally near, the later one."""
    reach = lexicon().pressure_reach
    distances = [
        (
            mention.start - position if position < mention.start else position - mention.stop + 1,
            -position,
            name,
        )
        for position, name in stated
        if not mention.start <= position < mention.stop
    ]
    nearest = min(distances, default=None)
    return nearest[2] if nearest and nearest[0] <= reach else None
