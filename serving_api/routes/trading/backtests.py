"""Backtests of one's own strategy: ordered, listed and read by their owner alone."""

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response

from lakehouse.io.backtest_page import PageNotBuilt, backtest_page
from lakehouse.io.personal_jobs import PersonalJob
from lakehouse.times import utc_text
from lakehouse.trading.backtest_report import report_in
from lakehouse.trading.strategies import StrategyFault, chosen_variants
from lakehouse.translation import Language, in_language
from serving_api.http.cursors import Key
from serving_api.http.dependencies import CurrentUser
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid, language_of
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import PRIVATE, CurrentResponses, KeyedItem, json_response
from serving_api.reads.supported import Symbols, required_symbol
from serving_api.reads.trading.own_jobs import one_own, page_of_own, submit_own
from serving_api.schemas.envelope import Page, PageQuery
from serving_api.schemas.problem import problems
from serving_api.schemas.trading.backtests import BacktestBody, BacktestItem, BacktestTrade

router = Router(prefix="/api/v1/backtests", tags=["trading"])
BacktestIdInPath = Annotated[
    str, Path(max_length=64, description="`id` of the backtest", examples=["0b1c2d3e4f506172"])
]
HTML = "text/html"
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
        "report": report_in(result.get("report"), language),
        "detail": None if job.detail is None else in_language(job.detail, language),
        "created_at": utc_text(job.created_at),
        "finished_at": utc_text(job.finished_at) if job.finished_at else None,
    }


@router.get("", response_model=Page[BacktestItem], summary="Backtests of the caller")
async def list_backtests(
    query: Annotated[PageQuery, Query()], caller: CurrentUser, responses: CurrentResponses
) -> Response:
    """The newest first, without their curves and reports."""
    language = language_of(responses.request)

    def listed_item(job: PersonalJob) -> dict[str, Any]:
        item = backtest_item(job, language)
        held = item["against_buy_and_hold"]
        curves = {"equity": None, "against_buy_and_hold": held and {**held, "equity": None}}
        return item | curves | {"report": None}

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


@router.get(
    "/{backtest_id}/trades", response_model=Page[BacktestTrade], summary="Trades of a backtest of the caller"
)
async def list_backtest_trades(
    backtest_id: BacktestIdInPath,
    query: Annotated[PageQuery, Query()],
    caller: CurrentUser,
    responses: CurrentResponses,
) -> Response:
    """The newest first, at most 1,000, also as CSV or XLSX; none before the end. Of somebody else: 404."""
    job = await one_own("backtest", caller.subject, backtest_id)
    trades = (job.result or {}).get("report", {}).get("trades", [])

    async def read(key: Key | None, number: int) -> list[KeyedItem]:
        first = 0 if key is None else int(key[0]) + 1
        return [((at,), trades[at]) for at in range(first, min(first + number, len(trades)))]

    return await responses.stored(query, read)


@router.get(
    "/{backtest_id}/report.html",
    response_class=Response,
    responses={
        200: {"content": {HTML: {"schema": {"type": "string"}, "example": "<!doctype html>"}}},
        **problems(404, 503),
    },
    summary="The report of a backtest of the caller as one file",
)
async def get_backtest_report(
    request: Request, backtest_id: BacktestIdInPath, caller: CurrentUser
) -> Response:
    """An HTML file that needs nothing else. 404 before the end, and for a backtest of somebody else."""
    job = await one_own("backtest", caller.subject, backtest_id)
    if job.result is None or "report" not in job.result:
        raise Problem("not-found", reason=message("no_report", name=backtest_id))
    language = language_of(request)
    result = {**job.request, **job.result}
    try:
        page = await run_sync(backtest_page, [result], language)
    except PageNotBuilt as missing:
        raise Problem("page-not-built", reason=in_language(str(missing), language)) from None
    name = f"backtest-{backtest_id}.html"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": PRIVATE}
    return Response(page, headers=headers, media_type=f"{HTML}; charset=utf-8")
