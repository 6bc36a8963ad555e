"""Which sales model serves: chosen on products not seen and checked on the newest days."""

from typing import Any

from ml.sales.stack import BASELINES, DEMAND, MEMBERS, STACK

# R² on permuted sales above which the procedure itself leaks; 0 is expected, the rest is chance
PERMUTED_LIMIT = 0.02


def leak_by_chance(permuted_r2: float | None) -> str | None:
    """Why no model may be trained: skill was found on permuted sales."""
    if permuted_r2 is None or permuted_r2 <= PERMUTED_LIMIT:
        return None
    return f"R² is {permuted_r2:.3f} on permuted sales: the procedure leaks"


def choose_champion(scores: list[dict[str, Any]]) -> tuple[str, str]:
    """(model, reason). `scores`: rows of gold.sales_model.

    The stack is a candidate if it beats its members and the demand curves on products not seen, else the best
    of those is. The
    candidate serves only if it beats the better median there significantly and is no worse on the newest
    days. The random split does not count: it rewards a model that remembers products.
    """
    grouped = {row["model"]: row for row in scores if row["split"] == "grouped"}
    by_time = {row["model"]: row for row in scores if row["split"] == "time"}
    median = min(BASELINES, key=lambda name: grouped[name]["mae"])
    median_name = median.replace("_", " ")
    alone = [name for name in (*MEMBERS, DEMAND) if name in grouped]
    member = min(alone, key=lambda name: grouped[name]["mae"])
    candidate = STACK if grouped[STACK]["mae"] < grouped[member]["mae"] else member
    skill = grouped[candidate]["skill"]
    low = grouped[candidate]["skill_low"]
    if low is None or low <= 0:
        measured = "unknown" if low is None else f"{100 * skill:.1f} %, at least {100 * low:.1f} %"
        return (
            median,
            f"no signal: skill of {candidate} over the {median_name} on products not seen is {measured}; "
            f"the {median_name} serves",
        )
    later_skill = by_time.get(candidate, {}).get("skill")
    if later_skill is not None and later_skill <= 0:
        return (
            median,
            f"{candidate} beats the {median_name} on products not seen, "
            f"but on the newest days its skill is {100 * later_skill:.1f} %",
        )
    comparison = (
        f"the best model alone, {member}, is worse" if candidate == STACK else "the stack is not better"
    )
    return (
        candidate,
        f"skill {100 * skill:.1f} % (at least {100 * low:.1f} %) over the {median_name} "
        f"on products not seen; {comparison}",
    )
