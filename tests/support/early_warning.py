"""IFPA and ALPS of one month of one series, from their definitions with lists and a design matrix."""

import numpy as np

Means = list[float | None]


def months_between(first: str, last: str) -> list[str]:
    months = [first]
    while months[-1] < last:
        year, month = map(int, months[-1].split("-"))
        months.append(f"{year + month // 12}-{month % 12 + 1:02}")
    return months


def month_before(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year - (number == 1)}-{(number - 2) % 12 + 1:02}"


def _growth(means: Means, t: int, k: int) -> float | None:
    if t < k or means[t] is None or means[t - k] is None:
        return None
    return (means[t] / means[t - k]) ** (1 / k) - 1


def _z(means: Means, t: int, k: int) -> tuple[float | None, int]:
    x = [g for s in range(t % 12, t + 1, 12) if (g := _growth(means, s, k)) is not None]
    n, w = len(x), range(1, len(x) + 1)
    if n < 2 or _growth(means, t, k) is None:
        return None, n
    m = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    s = (sum(a * (b - m) ** 2 for a, b in zip(w, x, strict=True)) / (sum(w) * (n - 1) / n)) ** 0.5
    return ((x[-1] - m) / s if s > 1e-9 else None), n


def _mean12(means: Means, months: list[str], t: int) -> float | None:
    values = (
        [ifpa_of(means, months, s, headline=False)["ifpa"] for s in range(t - 11, t + 1)]
        if t >= 11
        else [None]
    )
    return None if None in values else sum(values) / 12


def ifpa_of(means: Means, months: list[str], t: int, headline: bool = True) -> dict:
    quarter, year = _growth(means, t, 3), _growth(means, t, 12)
    (z3, n3), (z12, n12) = _z(means, t, 3), _z(means, t, 12)
    n = min(n3, n12)
    value = 0.4 * z3 + 0.6 * z12 if n >= 5 and z3 is not None and z12 is not None else None
    reason = (
        None if value is not None
        else "no price in the month" if means[t] is None
        else f"insufficient: {n} years of this month, 5 needed" if n < 5
        else "no price 3 or 12 months before" if quarter is None or year is None
        else "no variation"
    )  # fmt: skip
    named = (
        None if value is None
        else "abnormally high" if value >= 1 else "moderately high" if value >= 0.5
        else "abnormally low" if value <= -1 else "normal"
    )  # fmt: skip
    return {
        "cqgr_pct": None if quarter is None else 100 * quarter,
        "cagr_pct": None if year is None else 100 * year,
        "ifpa": value,
        "ifpa_class": named,
        "ifpa_years": n,
        "ifpa_12m": _mean12(means, months, t) if headline else None,
        "ifpa_reason": reason,
    }


def _fit(means: Means, upto: int) -> tuple[np.ndarray, float]:
    """(slope and twelve levels, sd of residuals) of the months up to and with `upto`."""
    t = np.array([s for s in range(upto + 1) if means[s] is not None])
    y = np.array([means[s] for s in t])
    x = np.column_stack([t, np.eye(12)[t % 12]])
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    return coefficients, float((y - x @ coefficients).std(ddof=1))


def _gap(fit: tuple[np.ndarray, float], means: Means, t: int) -> float:
    return float((means[t] - fit[0][0] * t - fit[0][1 + t % 12]) / fit[1])


def _reason(means: Means, t: int) -> str | None:
    observed = sum(mean is not None for mean in means[: t + 1])
    if t + 1 < 36:
        return f"insufficient: {t + 1} months, 36 needed"
    if observed < 0.7 * (t + 1):
        return f"insufficient: {100 * observed / (t + 1):.0f} % of months observed, 70 % needed"
    return None


def _class(value: float | None) -> str | None:
    if value is None:
        return None
    return "normal" if value < 0.25 else "stress" if value < 1 else "alert" if value < 2 else "crisis"


def alps_of(means: Means, months: list[str], t: int) -> dict:
    """`means` begins with an observed month."""
    fit, value = None, None
    for s in range(t + 1):
        if means[s] is None or _reason(means, s):
            continue
        if value is None or value < 2:
            fit = _fit(means, s)
        value = _gap(fit, means, s)
    real = value if means[t] is not None and _reason(means, t) is None else None
    last = max(s for s, mean in enumerate(means) if mean is not None)
    late = _gap(_fit(means, last), means, t) if _reason(means, last) is None else None
    return {
        "alps": real,
        "alps_class": _class(real),
        "alps_reason": _reason(means, t),
        "alps_ex_post": late,
        "alps_ex_post_class": _class(late),
    }
