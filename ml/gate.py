"""Which model may speak for which commodity: a challenger serves only when it has shown, in time, that it beats doing nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from ml.cells import NAIVE, Cells
from ml.checks import Checks
from ml.figures import Figures, by_commodity
from ml.intervals import Bands
from ml.significance import Verdict, holm
from ml.volatility import MEDIUM, STABLE, VOLATILE


@dataclass(frozen=True)
class Bar:
    """What a challenger must reach."""

    origins: int = 52  # a year of weeks
    skill_low: tuple[tuple[str, float], ...] = ((VOLATILE, 0.0), (MEDIUM, 0.0), (STABLE, -0.01))  # by class, of the 90 % interval
    p: float = 0.01  # over all commodities
    coverage_80: tuple[float, float] = (0.75, 0.85)
    wql: float = 0.92  # of conformal naive's, over all commodities or of this one
    own_wql: float = 1.01  # of conformal naive's, of this commodity, when only the pooled one reaches the bar
    answered: float = 0.95  # share of cells that the model answered itself
    null_t: float = 2.0  # on walks that nobody can forecast
    seconds: float = 300.0  # of one forecast of the whole panel: a round of materialising


@dataclass(frozen=True)
class Decision:
    """Whether a model passes for a commodity; `reasons` are what it failed, empty when it passes."""

    commodity: str
    model: str
    volatility: str
    reasons: tuple[str, ...]
    figures: Figures
    p_holm: float  # the commodity's own p-value, corrected for how many commodities were asked

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def says(self) -> str:
        """One line for people: why it serves or why not."""
        shown = f"skill {self.figures.skill:+.1%} ({self.figures.skill_low:+.1%} … {self.figures.skill_high:+.1%})"
        return f"{self.model}: {shown}" if self.passed else f"{self.model}: {shown}; " + "; ".join(self.reasons)


def decide(
    cells: Cells,
    model: str,
    bands: Mapping[str, Bands],
    volatility: Mapping[str, str],
    checks: Checks,
    null: Verdict | None = None,
    bar: Bar | None = None,
) -> dict[str, Decision]:
    """Judge one challenger for every commodity. `bands` by model, naive's among them; `null` its verdict on driftless walks."""
    bar = bar or Bar()
    own, naive = by_commodity(cells, model, bands[model]), by_commodity(cells, NAIVE, bands[NAIVE])
    if "" not in own:
        return {}
    everywhere = _of_model(cells, model, own[""], checks, null, bar)
    pooled_wql = _ratio(own[""].wql, naive[""].wql)
    corrected = holm({good: found.p for good, found in own.items() if good})
    decisions = {}
    for good, found in own.items():
        if good:
            here = _of_commodity(found, volatility.get(good, VOLATILE), _ratio(found.wql, naive[good].wql), pooled_wql, bar)
            reasons = (*everywhere, *here)
            decisions[good] = Decision(good, model, volatility.get(good, VOLATILE), reasons, found, corrected[good])
    return decisions


def _of_model(cells: Cells, model: str, pooled: Figures, checks: Checks, null: Verdict | None, bar: Bar) -> list[str]:
    """What stands against the model whatever the commodity. `not (x > y)` also refuses a figure that is not a number."""
    reasons = [f"the check of {name} failed" for name in checks.faults]
    if not (pooled.t > 0 and pooled.p < bar.p):
        reasons.append(f"not significantly better over all commodities (t = {pooled.t:.2f}, p = {pooled.p:.3g})")
    answered = 1 - cells.replaced.get(model, 0) / max(len(cells), 1)
    if answered < bar.answered:
        reasons.append(f"answered only {answered:.0%} of the cells")
    if checks.seconds > bar.seconds:
        reasons.append(f"one forecast took {checks.seconds:.0f} s, more than {bar.seconds:.0f}")
    if null is not None and not null.t < bar.null_t:
        reasons.append(f"finds skill on random walks (t = {null.t:.2f})")
    return reasons


def _of_commodity(found: Figures, volatility: str, own_wql: float, pooled_wql: float, bar: Bar) -> list[str]:
    reasons = []
    if found.origins < bar.origins:
        reasons.append(f"only {found.origins} of {bar.origins} origins here")
    least = dict(bar.skill_low)[volatility]
    enough = found.skill_low >= least if volatility == STABLE else found.skill_low > least
    if not enough:
        reasons.append(f"skill may be as low as {found.skill_low:+.1%} ({volatility}: {least:+.0%} needed)")
    low, high = bar.coverage_80
    if not low <= found.coverage_80 <= high:
        reasons.append(f"the 80 % interval covered {found.coverage_80:.1%}")
    if not (own_wql <= bar.wql or (pooled_wql <= bar.wql and own_wql <= bar.own_wql)):
        reasons.append(f"quantile loss {own_wql:.3f} of naive's here, {pooled_wql:.3f} over all ({bar.wql} needed)")
    return reasons


def _ratio(own: float, other: float) -> float:
    """1 when neither has any loss; infinite when only naive has none."""
    return own / other if other else (1.0 if own == 0 else float("inf"))


def champions(decisions: Iterable[Mapping[str, Decision]]) -> dict[str, Decision | None]:
    """Commodity → the passing model with the highest lower bound of skill; None = naive, also when no skill is above 0."""
    best: dict[str, Decision | None] = {}
    for judged in decisions:
        for good, decision in judged.items():
            held = best.setdefault(good, None)
            if decision.passed and decision.figures.skill > 0:
                better = held is None or decision.figures.skill_low > held.figures.skill_low
                best[good] = decision if better else held
    return best


def table(decisions: Iterable[Mapping[str, Decision]]) -> list[dict[str, object]]:
    """The gate's table, a row for each model and commodity: what goes on record with a run."""
    return [
        {
            "commodity": one.commodity,
            "model": one.model,
            "volatility": one.volatility,
            "passed": one.passed,
            "reasons": "; ".join(one.reasons),
            "p_holm": one.p_holm,
            **asdict(one.figures),
        }
        for judged in decisions
        for one in judged.values()
    ]
