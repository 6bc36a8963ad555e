"""Figures of benches: percentiles, flat rows and a table."""

from collections.abc import Mapping, Sequence

from rich.table import Table


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum; empty without values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    figures = {
        f"p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] for part in (50, 95, 99)
    }
    figures["max"] = ordered[-1]
    return {name: round(value, 3) for name, value in figures.items()}


def flat(figures: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested figures as (dotted name, text)."""
    rows = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", f"{value:,}" if isinstance(value, int | float) else str(value)))
    return rows


def table(name: str, means: str, figures: Mapping[str, object]) -> Table:
    """The figures as a table for the terminal; `means` is its caption."""
    view = Table(title=name, caption=means, title_justify="left", caption_justify="left")
    view.add_column("figure")
    view.add_column("value", justify="right")
    for row in flat(figures):
        view.add_row(*row)
    return view
