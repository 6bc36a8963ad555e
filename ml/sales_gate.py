"""Who answers for sales: decided on products not seen, checked on the newest days, never on the random split."""

from typing import Any

from ml.sales_stack import BASELINES, MEMBERS, STACK

PERMUTED_LIMIT = 0.02  # R² that chance may reach where the sales are dealt out anew


def by_chance(chance: float) -> str | None:
    """Why there may be no training, if R² is found where there is none."""
    return f"R² is {chance:.3f} with sales dealt out anew: the procedure leaks" if chance > PERMUTED_LIMIT else None


def choice(told: list[dict[str, Any]]) -> tuple[str, str]:
    """Who answers: on products not seen the stack, if it beats its best member there; and only if it surely beats the median.

    The random split has no say: it flatters whoever remembers products.
    """
    grouped = {row["model"]: row for row in told if row["split"] == "grouped"}
    later = {row["model"]: row for row in told if row["split"] == "time"}
    median = min(BASELINES, key=lambda name: grouped[name]["mae"])
    member = min(MEMBERS, key=lambda name: grouped[name]["mae"])
    best = STACK if grouped[STACK]["mae"] < grouped[member]["mae"] else member
    low, skill = grouped[best]["skill_low"], grouped[best]["skill"]
    if low is None or low <= 0:
        says = "unknown" if low is None else f"{100 * skill:.1f} %, at least {100 * low:.1f} %"
        return median, f"no signal: skill of {best} over the {spoken(median)} on products not seen is {says}; so that answers"
    after = later.get(best, {}).get("skill")
    if after is not None and after <= 0:
        later_on = f"on the newest days its skill is {100 * after:.1f} %"
        return median, f"{best} beats the {spoken(median)} on products not seen, but {later_on}"
    rest = f"nearer than its best member, {member}" if best == STACK else "the stack is not nearer"
    return best, f"skill {100 * skill:.1f} % (at least {100 * low:.1f} %) over the {spoken(median)} on products not seen; {rest}"


def spoken(name: str) -> str:
    return name.replace("_", " ")
