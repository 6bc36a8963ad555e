"""Levels of 7-day rises: those in force for each commodity, and their change by an operator."""

from typing import Annotated, Any, Self

from anyio.to_thread import run_sync
from fastapi import Path, Response
from pydantic import BaseModel, Field, model_validator

from lakehouse.io.change_levels import levels_of, own_levels, set_levels
from lakehouse.io.identity.audit import record
from lakehouse.io.identity.database import Database
from lakehouse.reference import commodities
from serving_api.http.dependencies import CurrentOperator
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.names import named_commodity
from serving_api.reads.responses import PRIVATE, CurrentResponses, json_response
from serving_api.schemas.envelope import Meta, RequestBody
from serving_api.schemas.problem import problems

router = Router(prefix="/api/v1/change-levels", tags=["alerts"])
Percent = Annotated[float, Field(gt=0, le=1000)]


class ChangeLevels(RequestBody):
    """Rises over 7 days, in percent, above which a price has the level."""

    naik: Percent
    waspada: Percent
    siaga: Percent
    kritis: Percent

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        values = list(self.model_dump().values())
        if values != sorted(set(values)):
            raise ValueError(message("levels_ascend"))
        return self


class ChangeLevelsBody(RequestBody):
    """Other levels for a commodity, and why."""

    levels: ChangeLevels | None = Field(description="null: those of all commodities hold again")
    reason: str = Field(min_length=3, max_length=500)


class CommodityLevels(BaseModel):
    """The levels in force for a commodity."""

    commodity: str
    is_own: bool = Field(description="set for this commodity; false: those of all (knob alerts.levels)")
    levels: ChangeLevels


class ChangeLevelsList(BaseModel):
    """All commodities."""

    items: list[CommodityLevels]
    meta: Meta


def row_of(commodity: str) -> dict[str, Any]:
    """The levels in force for a commodity."""
    return {
        "commodity": commodity,
        "is_own": commodity in own_levels(),
        "levels": dict(levels_of(commodity)),
    }


@router.get("", response_model=ChangeLevelsList, summary="Levels of rises by commodity")
def list_change_levels(responses: CurrentResponses) -> Response:
    """Those of all commodities (trade ministry) unless an operator has set others."""
    return responses.personal([], {"items": [row_of(name) for name in commodities()]})


@router.put(
    "/{commodity}",
    response_model=CommodityLevels,
    responses=problems(403, 404),
    summary="Set the levels of a commodity",
)
async def set_change_levels(
    commodity: Annotated[str, Path(description="id or alias", examples=["cabai-rawit-merah"])],
    body: ChangeLevelsBody,
    caller: CurrentOperator,
    database: Shared[Database],
) -> Response:
    """In force at once: indicators and alerts are computed again in the background. The audit keeps who, what
    and why. Not for operators who are limited to regions."""
    name = named_commodity(commodity).id
    if not caller.covers(None):
        raise Problem("forbidden", reason=message("region_not_own"))
    levels = body.levels.model_dump() if body.levels else None
    async with database.writing() as session:
        texts = {"before": text_of(own_levels().get(name)), "after": text_of(levels)}
        await record(session, caller.subject, "levels.set", name, detail=texts | {"reason": body.reason})
        await run_sync(set_levels, name, levels)  # the audit is locked: others wait
    return json_response(row_of(name), cache=PRIVATE)


def text_of(levels: dict[str, float] | None) -> str | None:
    """The levels as the audit has them, which holds no fractions."""
    return None if levels is None else ", ".join(f"{name} {value:g}" for name, value in levels.items())
