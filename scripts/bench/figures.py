"""Figures of benches: percentiles, one JSON, one table."""

from collections.abc import Mapping, Sequence

from rich.table import Table


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest; empty without values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    found = {f"p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] for part in (50, 95, 99)}
    return {name: round(value, 3) for name, value in (found | {"max": ordered[-1]}).items()}


def flat(figures: Mapping[str, object], before: str = "") -> list[tuple[str, str]]:
    """Nested figures as (dotted name, text)."""
    rows = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{before}{name}.")
        else:
            rows.append((f"{before}{name}", f"{value:,}" if isinstance(value, int | float) else str(value)))
    return rows


def table(name: str, means: str, figures: Mapping[str, object]) -> Table:
    """For the terminal."""
    shown = Table(title=name, caption=means, title_justify="left", caption_justify="left")
    shown.add_column("figure")
    shown.add_column("value", justify="right")
    for row in flat(figures):
        shown.add_row(*row)
    return shown
