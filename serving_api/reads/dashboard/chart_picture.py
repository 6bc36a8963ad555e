"""The chart of a commodity as a picture, in the colours and texts of the page."""

import io
import re
import threading
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conf.settings import REPO
from serving_api.reads.dashboard.chart_view import ChartView, Values
from serving_api.reads.dashboard.plain_page import Words
from serving_api.reads.names import NATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PictureFormat = Literal["svg", "png"]
MOST_PICTURES = 64  # kept of a version, up to 0.3 MB each
STYLES = REPO / "serving_api" / "web" / "src" / "styles" / "tokens.css"
COLOUR = re.compile(r"--([\w-]+): (?:(#\w{6})|rgb\((\d+) (\d+) (\d+) / ([\d.]+)\))")
FONTS = "'Plus Jakarta Sans Variable', 'Plus Jakarta Sans', system-ui, sans-serif"
FONT_IN_FILE = "DejaVu Sans"  # comes with matplotlib
PARAMETERS: Any = {"svg.hashsalt": "lumbung", "svg.fonttype": "none", "font.family": FONT_IN_FILE}
INCHES = (12.0, 6.75)
DPI = 100
BANDS = ("band-wide", "band")  # names of their colours
LABEL_PIXELS = 40  # between names at the line ends
NOTE_CHARACTERS = 165
THOUSAND = {"id": "rb", "en": "k"}
MONTHS = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_DRAWING = threading.Lock()  # matplotlib shares fonts between figures, and is no library for threads


def picture_of(view: ChartView, picture: PictureFormat) -> bytes:
    """The chart as SVG or PNG; equal views give equal bytes. Blocks for 0.3 s the first time."""
    pictures: dict[Any, bytes] = view.tables[0].cached("pictures", dict)
    versions = tuple((table.identity, table.version) for table in view.tables[1:])
    key = (picture, view.query.model_dump_json(), versions, view.demo)
    if (known := pictures.get(key)) is not None:
        return known
    with _DRAWING:
        content = draw(view, picture)
    if len(pictures) >= MOST_PICTURES:
        pictures.clear()
    pictures[key] = content
    return content


@cache
def colours() -> dict[str, Any]:
    """The colours of the light page by name, as matplotlib takes them."""
    named: dict[str, Any] = {}
    for name, plain, red, green, blue, alpha in COLOUR.findall(STYLES.read_text(encoding="utf-8")):
        rgba = plain or (int(red) / 255, int(green) / 255, int(blue) / 255, float(alpha))
        named.setdefault(name, rgba)  # those of the dark page come later
    return named


def draw(view: ChartView, picture: PictureFormat) -> bytes:
    """The picture. matplotlib takes 0.5 s and 30 MB to load: only a process that draws pays for it."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(PARAMETERS)
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor=colours()["card"])
    draw_texts(figure, view)
    if view.as_of or view.item["forecast"]:
        axes = figure.add_axes((0.075, 0.155, 0.765, 0.69), facecolor=colours()["card"])
        draw_lines(axes, view)
    out = io.BytesIO()
    about = {"Title": view.item["title"], "Source": view.item["page"], "Creator": "Lumbung", "Date": None}
    metadata = about if picture == "svg" else {"Title": view.item["title"], "Software": None}
    figure.savefig(out, format=picture, metadata=metadata)
    if picture == "png":
        return out.getvalue()
    return out.getvalue().replace(f"'{FONT_IN_FILE}'".encode(), FONTS.encode())


def draw_texts(figure: "Figure", view: ChartView) -> None:
    """Title and days above the chart; source, licence, age and address below it."""
    words, item = view.words, view.item
    days = view.days
    ink, soft = colours()["ink"], colours()["ink-2"]
    place = item["region"] if item["region"] != NATION[1] else words.text("national_price")
    span = f"{day_text(words, days[0])} – {day_text(words, days[-1])}" if days else words.text("empty_series")
    figure.text(0.03, 0.935, item["title"], size=19, weight="bold", color=ink, parse_math=False)
    figure.text(0.03, 0.885, f"{place} · {span}", size=12, color=soft, parse_math=False)
    sources = ", ".join(source["name"] for source in item["sources"]) or "–"
    licences = "; ".join(dict.fromkeys(source["licence"] or "–" for source in item["sources"])) or "–"
    as_of = day_text(words, view.as_of) if view.as_of else "–"
    note = words.text("chart_source", sources=sources, day=as_of, licence=licences)
    lines = wrap(f"{words.text('origin_demo_text')} {note}" if view.demo else note, NOTE_CHARACTERS)
    lines.append(item["page"])
    for nth, line in enumerate(reversed(lines)):
        figure.text(0.03, 0.03 + 0.03 * nth, line, size=9.5, color=soft, parse_math=False)


def draw_lines(axes: "Axes", view: ChartView) -> None:
    """Provinces, the nation, the ceiling and the forecast, with names where the lines end."""
    from matplotlib.patheffects import withStroke

    item, words = view.item, view.words
    colour = colours()
    days: Any = view.days  # matplotlib takes days, its types do not
    ends: list[tuple[str, float, Any]] = []

    def line(name: str, values: Values, **style: Any) -> None:
        if all(value is None for value in values):
            return
        axes.plot(days, numbers(values), label=name, **style)
        if style["linewidth"] > 1 and (known := [value for value in values if value is not None]):
            ends.append((name, known[-1], style["color"]))

    names = [region["name"] for region in item["regions"]]
    front: dict[str, Values] = dict(zip(names, item["price_idr"], strict=True))
    for name, prices in front.items():
        if name not in (*view.compared, item["region"]):
            line(name, prices, color=colour["line-faint"], linewidth=0.9)
    others = [name for name in view.compared if name in front and name != item["region"]]
    for nth, name in enumerate(others):
        line(name, front[name], color=colour[f"compare-{nth + 1}"], linewidth=2.2)
    if item["region"] in front:
        line(item["region"], front[item["region"]], color=colour["accent"], linewidth=2.2)
    line(words.text("national_price"), item["national"], color=colour["ink"], linewidth=2.2)
    if item["forecast"]:
        draw_forecast(axes, view, front.get(item["region"], item["national"]))
        price = item["forecast"]["price_idr"]
        line(words.text("forecast"), price, color=colour["accent"], linewidth=2.2, linestyle="--")
    ceiling = numbers(item["reference_idr"])
    if np.isfinite(ceiling).any():
        axes.step(days, ceiling, where="post", color=colour["ceiling"], linewidth=1.5, linestyle=(0, (5, 3)))
        last = ceiling[np.isfinite(ceiling)][-1]
        halo = [withStroke(linewidth=3, foreground=colour["card"])]
        text = f"{words.text('ceiling')} {words.rupiah(last)}"
        axes.text(
            0.01, last, text, transform=axes.get_yaxis_transform(), color=colour["ceiling"], size=10.5,
            weight="bold", va="bottom", path_effects=halo,
        )  # fmt: skip
    finish_axes(axes, view)
    draw_ends(axes, words, ends)


def draw_forecast(axes: "Axes", view: ChartView, own: Values) -> None:
    """The intervals, the wider one first; they begin at the last known price."""
    days: Any = view.days
    start = max((nth for nth, value in enumerate(own) if value is not None), default=None)
    for interval, name in zip(reversed(view.item["forecast"]["levels"]), BANDS, strict=True):
        ends = [list(interval[side]) for side in ("lower", "upper")]
        if start is not None:
            for values in ends:
                values[start] = own[start]
        lower, upper = map(numbers, ends)
        axes.fill_between(days, lower, upper, color=colours()[name], linewidth=0)


def draw_ends(axes: "Axes", words: Words, ends: list[tuple[str, float, Any]]) -> None:
    """Names and prices right of the line ends, moved apart where they would overlap."""
    to_pixels: Callable[[tuple[float, float]], Any] = axes.transData.transform
    ends = sorted(ends, key=lambda end: end[1])
    heights = [float(to_pixels((0, value))[1]) for _, value, _ in ends]
    for lower, upper in pairwise(range(len(heights))):
        heights[upper] = max(heights[upper], heights[lower] + LABEL_PIXELS)
    for (name, value, colour), height in zip(ends, heights, strict=True):
        share = axes.transAxes.inverted().transform((0, height))[1]
        for shift, text, size in ((0.006, name, 10.5), (-0.038, words.rupiah(value), 11.5)):
            axes.text(
                1.012, share + shift, text, transform=axes.transAxes, color=colour, size=size, weight="bold",
                parse_math=False,
            )  # fmt: skip


def finish_axes(axes: "Axes", view: ChartView) -> None:
    """Grid, and ticks in the language of the chart."""
    from matplotlib.dates import AutoDateLocator
    from matplotlib.ticker import MaxNLocator

    days: Any = view.days
    words = view.words
    axes.set_xlim(days[0], max(days[-1], days[0] + timedelta(days=1)))
    axes.margins(y=0.06)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=9))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(lambda tick, _: tick_text(words, date_at(tick), days[-1] - days[0]))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda tick, _: short_rupiah(words, tick))
    axes.grid(axis="y", color=colours()["grid"], linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(colours()["rule"])
    axes.tick_params(colors=colours()["ink-2"], labelsize=10.5, length=0)


def numbers(values: Values) -> Any:
    """The values as floats; NaN where there is none, which no line crosses."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def day_text(words: Words, day: date) -> str:
    """20 Nov 2023."""
    return f"{day.day} {MONTHS[words.language][day.month - 1]} {day.year}"


def date_at(tick: float) -> date:
    """The day of a place on the axis, which counts days since 1970."""
    return date(1970, 1, 1) + timedelta(days=int(tick))


def tick_text(words: Words, moment: date, span: timedelta) -> str:
    """Nov 23 where months are shown, else 20 Nov."""
    month = MONTHS[words.language][moment.month - 1]
    return f"{month} {moment:%y}" if span > timedelta(days=120) else f"{moment.day} {month}"


def short_rupiah(words: Words, value: float) -> str:
    """Rp 45 rb or Rp 13,5 rb for an axis; the whole price where ticks are closer."""
    if value < 1000 or value % 100:
        return words.rupiah(value)
    return f"Rp\u00a0{words.figure(value / 1000, 1 if value % 1000 else 0)}\u00a0{THOUSAND[words.language]}"
