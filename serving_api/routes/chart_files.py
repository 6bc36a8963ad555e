"""The chart of /komoditas at addresses of its own: as data, CSV and picture."""

from datetime import UTC, datetime, time
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import Query, Response

from serving_api.http.callers import count_expensive
from serving_api.http.openapi import UNCHANGED
from serving_api.http.router import Router
from serving_api.reads.dashboard.chart_picture import picture_of
from serving_api.reads.dashboard.chart_view import csv_of, read_chart
from serving_api.reads.responses import CurrentResponses, Responses, etag_of, not_modified, public_headers
from serving_api.schemas.daily import ChartQuery, DrawnChart
from serving_api.schemas.problem import problems

FileFormat = Literal["csv", "svg", "png"]
ChartParameters = Annotated[ChartQuery, Query()]
MEDIA: dict[FileFormat, str] = {"csv": "text/csv", "svg": "image/svg+xml", "png": "image/png"}
CSV_EXAMPLE = "market_date,reference_price_idr,Jawa Barat,national_price_idr\r\n"
# Pictures are not in the document of the API: generators of clients do not know their media types.
CSV_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA["csv"]: {"schema": {"type": "string"}, "example": CSV_EXAMPLE}}},
    304: UNCHANGED,
    **problems(404),
}
# Opened by itself, a picture is a document; its styles are attributes.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

router = Router(tags=["daily figures"])


async def chart_file(query: ChartQuery, responses: Responses, form: FileFormat) -> Response:
    """The chart as a file; 304 when the caller has it. Raises Problem."""
    request = responses.request
    view = await run_sync(read_chart, responses.snapshots, query)
    etag = etag_of(request, view.tables, f"{view.demo}")
    if unchanged := not_modified(request, etag):
        return unchanged
    if form != "csv":
        count_expensive(request)
    content = await run_sync(csv_of, view) if form == "csv" else await run_sync(picture_of, view, form)
    kept = "attachment" if form == "csv" else "inline"
    headers = public_headers(etag) | {
        "Content-Disposition": f'{kept}; filename="lumbung-{view.item["commodity"]}.{form}"',
        "Content-Security-Policy": PICTURE_POLICY,
        "Link": f'<{view.item["page"]}>; rel="canonical"',
    }
    return Response(content, headers=headers, media_type=MEDIA[form])


@router.get(
    "/komoditas.json", response_model=DrawnChart, responses=problems(404), summary="The chart of a commodity"
)
async def get_chart(query: ChartParameters, responses: CurrentResponses) -> Response:
    """What the page /komoditas draws for the same parameters, with source, licence and the page's address."""
    view = await run_sync(read_chart, responses.snapshots, query)
    as_of = datetime.combine(view.as_of, time(), UTC) if view.as_of else None
    variant = f"{view.demo}"
    return responses.item(
        view.tables, view.item, variant=variant, demo=view.demo, model=view.model, as_of=as_of
    )


@router.get(
    "/komoditas.csv", response_class=Response, responses=CSV_RESPONSES, summary="The same chart as CSV"
)
async def get_chart_csv(query: ChartParameters, responses: CurrentResponses) -> Response:
    """A row for each day: ceiling, provinces, national price, forecast with its intervals."""
    return await chart_file(query, responses, "csv")


@router.get("/komoditas.svg", include_in_schema=False)
async def get_chart_svg(query: ChartParameters, responses: CurrentResponses) -> Response:
    """The picture with title, unit, source, day of the data, licence and the page's address."""
    return await chart_file(query, responses, "svg")


@router.get("/komoditas.png", include_in_schema=False)
async def get_chart_png(query: ChartParameters, responses: CurrentResponses) -> Response:
    """1,200 × 675 pixels; counts as an expensive request."""
    return await chart_file(query, responses, "png")


for path, answer in (
    ("/komoditas.json", get_chart),
    ("/komoditas.csv", get_chart_csv),
    ("/komoditas.svg", get_chart_svg),
    ("/komoditas.png", get_chart_png),
):
    router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False, response_model=None)
