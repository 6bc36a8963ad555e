"""Sentences and tables of the web page as plain HTML, for readers without script, in the page's own texts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import Any

import orjson
import pyarrow.compute as pc

from conf.settings import REPO
from lakehouse.reference import commodities, commodity_aliases, matching_key
from lakehouse.translation import Language
from serving_api.reads.dashboard.daily_figures import Figures, figures_now, series_commodity
from serving_api.reads.dashboard.overview import (
    RINGING,
    gravity,
    read_alerts,
    read_overview,
    with_level,
)
from serving_api.reads.dashboard.price_map import read_map
from serving_api.reads.snapshots import Snapshot, Snapshots

TEXTS = REPO / "serving_api" / "web" / "src" / "i18n"
MINUS = "\u2212"
SHOWN_ALERTS = 3
FLAT_PCT = 0.05  # a smaller change counts as none, as on the page
Item = dict[str, Any]


class Words:
    """Texts and figures in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts: dict[str, str] = orjson.loads((TEXTS / f"{language}.json").read_bytes())

    def text(self, key: str, **values: str | int) -> str:
        """The text of a key with its {names} filled in."""
        return self._texts[key].format_map(values)

    def figure(self, value: float, digits: int = 0) -> str:
        """45.500 in Indonesian, 45,500 in English."""
        scaled = math.floor(abs(value) * 10**digits + 0.5) / 10**digits
        sign = MINUS if value < 0 and scaled else ""
        written = f"{sign}{scaled:,.{digits}f}"
        return written if self.language == "en" else written.translate(str.maketrans(",.", ".,"))

    def rupiah(self, value: float | None) -> str:
        """Rp 45.500; a dash for no price."""
        return "–" if value is None else f"Rp\u00a0{self.figure(value)}"

    def percent(self, value: float | None) -> str:
        """6,1 %; a dash for no value."""
        return "–" if value is None else f"{self.figure(value, 1)}\u00a0%"

    def change(self, value: float | None) -> str:
        """+6,1 %: with its sign."""
        written = self.percent(value)
        return f"+{written}" if value is not None and value >= FLAT_PCT else written

    def moved(self, pct: float | None) -> str:
        """The change of a week in words."""
        if pct is None:
            return self.text("sentence_unknown_move")
        if abs(pct) < FLAT_PCT:
            return self.text("sentence_flat")
        return self.text("sentence_up" if pct > 0 else "sentence_down", size=self.percent(abs(pct)))

    def sentence(self, item: Item) -> str:
        """A commodity: its price, change, ceiling and extremes, as on the page."""
        price = self.rupiah(item["national_price_idr"])
        move = self.moved(item["change_7d_pct"])
        parts = [self.text("sentence_price", name=item["name"], price=price, unit=item["unit"], move=move)]
        if item["reference_price_idr"] is not None:
            side = "sentence_above" if item["gap_pct"] > 0 else "sentence_below"
            side = self.text(side, size=self.percent(abs(item["gap_pct"])))
            ceiling = self.rupiah(item["reference_price_idr"])
            parts.append(
                self.text("sentence_reference", side=side, kind=item["reference_kind"], price=ceiling)
            )
            if item["regions_above"]:
                counts = {"above": item["regions_above"], "of": item["provinces"], "days": item["days_above"]}
                parts.append(self.text("sentence_regions", **counts))
        if item["provinces"] > 1:
            ends: dict[str, str] = {}
            for end, name in (("high", "highest"), ("low", "lowest")):
                ends |= {end: item[name]["region"], f"{end}_price": self.rupiah(item[name]["price_idr"])}
            parts.append(self.text("sentence_extremes", **ends))
        if item["age_days"]:
            parts.append(self.text("sentence_age", days=item["age_days"]))
        return " ".join(parts)


@dataclass(frozen=True)
class PlainPage:
    """What a page shows without script. `sentence`: its first one, also of a link to it."""

    title: str
    sentence: str
    html: str = ""


@cache
def words_of(language: Language) -> Words:
    """The texts of a language, read once."""
    return Words(language)


def general_page(language: Language) -> PlainPage:
    """A page whose figures need script."""
    return PlainPage("Lumbung", words_of(language).text("footer"))


def plain_page(snapshots: Snapshots, path: str, commodity: str, language: Language) -> PlainPage | None:
    """The page `/` (all commodities) or `/komoditas` (one, with its provinces); blocks.

    None for a commodity that does not exist.
    """
    known = commodity_aliases().get(matching_key(commodity))
    if path != "/" and known is None:
        return None
    figures = figures_now(snapshots)
    read = figures.snapshots[0].cached(("overview", None), lambda: read_overview(figures, None))
    words = words_of(language)
    if path == "/":
        alerts = snapshots["gold.alerts"]
        levels = alerts.cached(("levels", None), lambda: read_alerts(alerts, None))
        items = [with_level(item, levels.get(item["commodity"], [])) for item in read["items"]]
        page = all_commodities(sorted(items, key=by_gravity), words)
        return replace(page, html=gravest_alerts(alerts, words) + page.html)
    assert known is not None
    return one_commodity(figures, known, read["items"], words)


def by_gravity(item: Item) -> tuple[int, float]:
    """The sort key of the page: by level, then by the 7-day rise."""
    rise = item["change_7d_pct"]
    return -gravity(item["level"]), math.inf if rise is None else -rise


def gravest_alerts(alerts: Snapshot, words: Words) -> str:
    """The three gravest alerts that ring, each with its action."""
    suffix = "_indonesian" if words.language == "id" else ""
    rings = alerts.rows.filter(pc.field("state").isin(RINGING)).sort_by([("opened_at", "descending")])
    rows = sorted(rings.to_pylist(), key=lambda row: -gravity(row["level"]))[:SHOWN_ALERTS]
    texts = (
        (words.text(f"level_{row['level']}"), row[f"message{suffix}"], row[f"action{suffix}"]) for row in rows
    )
    return "".join(
        paragraph(f"{level}: {message} {action or ''}".strip()) for level, message, action in texts
    )


def all_commodities(items: list[Item], words: Words) -> PlainPage:
    """A sentence and a row for each commodity."""
    if not items:
        empty = words.text("empty_overview")
        return PlainPage(words.text("nav_home"), empty, paragraph(empty))
    sentences = "".join(paragraph(words.sentence(item)) for item in items)
    head = [words.text(key) for key in ("commodity", "day", "price")]
    head += [words.text("change_days", days=7), words.text("gap")]
    rows = (
        (
            item["name"],
            item["market_date"],
            words.rupiah(item["national_price_idr"]),
            words.change(item["change_7d_pct"]),
            words.change(item["gap_pct"]),
        )
        for item in items
    )
    return PlainPage(words.text("nav_home"), words.sentence(items[0]), sentences + table(head, rows))


def one_commodity(figures: Figures, name: str, items: list[Item], words: Words) -> PlainPage:
    """The sentence of a commodity and the newest price of each province."""
    commodity = series_commodity(name, figures)
    item = next((item for item in items if item["commodity"] == commodity), None)
    if item is None:
        empty = words.text("empty_series")
        return PlainPage(commodities()[name].name, empty, paragraph(empty))
    key = ("plain provinces", commodity)
    shown = figures.snapshots[0].cached(key, lambda: read_map(figures, commodity, "price", None))
    head = [words.text("province"), words.text("price")]
    rows = ((region["name"], words.rupiah(region["price_idr"])) for region in shown["regions"])
    sentence = words.sentence(item)
    return PlainPage(item["name"], sentence, paragraph(sentence) + table(head, rows))


def paragraph(text: str) -> str:
    """One paragraph."""
    return f"<p>{escape(text)}</p>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of texts."""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(name)}' for name in head)}{body}</table>"
