"""Backtests of one's own strategy: ordered, listed and read by their owner alone."""

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response

from lakehouse.io.personal_jobs import PersonalJob
from lakehouse.times import utc_text
from lakehouse.trading.strategies import StrategyFault, chosen_variants
from lakehouse.translation import Language, in_language
from serving_api.http.dependencies import CurrentUser
from serving_api.http.problems import invalid, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import PRIVATE, CurrentResponses, json_response
from serving_api.reads.supported import Symbols, required_symbol
from serving_api.reads.trading.own_jobs import one_own, page_of_own, submit_own
from serving_api.schemas.envelope import Page, PageQuery
from serving_api.schemas.trading.backtests import BacktestBody, BacktestItem

router = Router(prefix="/api/v1/backtests", tags=["trading"])
BacktestIdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the backtest", examples=["0b1c2d3e4f506172"])
]
FIGURES = ("deflated_sharpe", "pbo", "verdict", "metrics", "equity", "against_buy_and_hold")


def backtest_item(job: PersonalJob, language: Language) -> dict[str, Any]:
    """The job as its owner sees it, with its texts in a language."""
    result = job.result or {}
    verdict = result.get("verdict")
    return {
        "id": job.job_id,
        "status": job.status,
        **{name: job.request[name] for name in ("symbol", "strategy", "parameters", "from", "to")},
        "interval": job.request.get("interval"),
        "trials": result.get("trials", 0),
        "profit_claim": result.get("profit_claim", False),
        **{name: result.get(name) for name in FIGURES},
        "verdict": None if verdict is None else in_language(verdict, language),
        "run_id": job.run_id,
        "detail": None if job.detail is None else in_language(job.detail, language),
        "created_at": utc_text(job.created_at),
        "finished_at": utc_text(job.finished_at) if job.finished_at else None,
    }


@router.get("", response_model=Page[BacktestItem], summary="Backtests of the caller")
async def list_backtests(
    query: Annotated[PageQuery, Query()], caller: CurrentUser, responses: CurrentResponses
) -> Response:
    """The newest first, without their curves."""
    language = language_of(responses.request)

    def listed_item(job: PersonalJob) -> dict[str, Any]:
        item = backtest_item(job, language)
        held = item["against_buy_and_hold"]
        return item | {"equity": None, "against_buy_and_hold": held and {**held, "equity": None}}

    return await page_of_own("backtest", caller.subject, query, responses, listed_item)


@router.post("", status_code=202, response_model=BacktestItem, summary="Order a backtest")
async def create_backtest(
    request: Request,
    body: BacktestBody,
    caller: CurrentUser,
    symbols: Shared[Symbols],
) -> Response:
    """Every combination of the parameters is tried on past bars, with costs, fills at the next open.

    At most three of a person are queued or run: 429 until one of them has ended.
    """
    if body.from_ is not None and body.to is not None and body.from_ >= body.to:
        raise invalid("/from", "range_order", "from is not before to")
    try:
        chosen_variants(body.strategy, body.parameters)
    except StrategyFault as fault:
        raise invalid(fault.pointer, fault.code, fault.text) from None
    symbol = await run_sync(required_symbol, symbols, body.symbol)
    order = body.model_dump(mode="json", by_alias=True) | {"symbol": symbol}
    job = await submit_own("backtest", caller.subject, order)
    location = f"{router.prefix}/{job.job_id}"
    return json_response(backtest_item(job, language_of(request)), 202, cache=PRIVATE, Location=location)


@router.get(
    "/{backtest_id}",
    response_model=BacktestItem,
    summary="A backtest of the caller",
)
async def get_backtest(request: Request, backtest_id: BacktestIdInPath, caller: CurrentUser) -> Response:
    """A backtest of somebody else is 404."""
    job = await one_own("backtest", caller.subject, backtest_id)
    return json_response(backtest_item(job, language_of(request)), cache=PRIVATE)
