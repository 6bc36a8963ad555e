"""Families of commodities: grades of one thing, by the groups of the reference list."""

from functools import cache

from lakehouse.reference import commodities


@cache
def _families() -> dict[str, str]:
    """commodity id -> the largest group that has it as a member."""
    groups = sorted(commodities().values(), key=lambda entry: len(entry.members))
    return {member: group.id for group in groups for member in group.members}


def family_of(commodity: str) -> str:
    """The largest group that has the commodity as a member; the name itself where none has.

    Members are siblings: grades of one thing, which stand in neighbouring columns of a price list.
    """
    return _families().get(commodity, commodity)


@cache
def siblings(commodity: str) -> tuple[str, ...]:
    """The other commodities of its family, groups included."""
    family = family_of(commodity)
    return tuple(other for other in commodities() if other != commodity and family_of(other) == family)
