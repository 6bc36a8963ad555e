"""Schemas of daily figures: the overview, series in columns, the map."""

from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lakehouse.translation import Language
from serving_api.http.messages import message
from serving_api.schemas.envelope import KNOWN_ON, Day, Meta, Name, QueryParameters, Share
from serving_api.schemas.quality import EventCounts

COMMODITY = "id or alias; for a group without own prices, its representative"
MARKET_DAY = "the market day to show, by what is known now; default: the newest"
MapMetric = Literal["price", "change_7d", "gap", "gap_national", "ifpa", "dispersion"]
PriceLevel = Literal["market", "province"]
OptionalDay = date | None  # a field of the name `date` hides the type


class DailyQuery(QueryParameters):
    """Parameters of daily figures. Unknown parameters are refused."""

    known_on: Day | None = Field(None, alias="date", description=KNOWN_ON)


class MarketDayQuery(DailyQuery):
    """Parameters of the figures of one day."""

    market_date: Day | None = Field(None, description=MARKET_DAY)

    @property
    def day(self) -> date | None:
        """The day that the figures are of; None: the newest."""
        return self.market_date or self.known_on


class MapQuery(MarketDayQuery):
    """Parameters of the map."""

    commodity: Name = Field(description=COMMODITY, examples=["cabai-rawit-merah"])
    metric: MapMetric = Field(
        "price",
        description="price: rupiah per unit; change_7d: percent; gap: percent from the ceiling; "
        "gap_national: percent from the national price; ifpa: early warning of the last month; "
        "dispersion: standard deviations of the provinces from the national price",
    )


class SeriesQuery(DailyQuery):
    """Parameters of a series."""

    commodity: Name = Field(description=COMMODITY, examples=["cabai-rawit-merah"])
    from_: Day | None = Field(None, alias="from", description="first day; default: 365 days up to the last")
    to: Day | None = Field(None, description="day after the last; default: after the newest")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.from_ and self.to and self.from_ >= self.to:
            raise ValueError(message("days_order"))
        return self


class PlacePrice(BaseModel):
    """A province and its price."""

    region: str
    price_idr: float = Field(gt=0)


class OverviewItem(BaseModel):
    """A commodity on its newest day."""

    commodity: str
    name: str
    unit: str
    price_level: PriceLevel = Field(description="prices of provinces, or of markets; never mixed")
    market_date: date = Field(description="newest day with a price, of the 60 days up to the overview's")
    age_days: int = Field(ge=0, description="days between it and the overview's day")
    national_price_idr: float = Field(gt=0, description="mean of the provinces that reported")
    change_1d_pct: float | None = Field(description="of the national price; null without that very day")
    change_7d_pct: float | None
    change_30d_pct: float | None
    change_365d_pct: float | None
    reference_kind: str | None = Field(description="HET or HAP; null where no ceiling holds")
    reference_price_idr: float | None = Field(description="median of the provinces' ceilings")
    gap_pct: float | None = Field(description="of the national price from that ceiling")
    regions_above: int | None = Field(description="provinces above their own ceiling")
    days_above: int | None = Field(description="longest run of observed days above it, of any province")
    dispersion_pct: float | None = Field(description="standard deviation of provinces, percent of the mean")
    level: str | None = Field(
        description="normal, naik, waspada, siaga or kritis: the worst of rise, gap to the ceiling and alerts"
    )
    level_reason: Literal["alerts", "ceiling", "rise"] | None = Field(
        description="what the level follows from; null: nothing is above normal"
    )
    rise_level: str | None = Field(description="of the 7-day rise alone; null without it")
    open_alerts: int = Field(ge=0, description="alerts that ring about it, in any place")
    ifpa: float | None = Field(description="highest early-warning value of any province, last full month")
    ifpa_class: str | None
    ifpa_region: str | None = Field(description="the province with that value")
    ifpa_reason: str | None = Field(description="why there is none")
    alps_class: str | None = Field(description="gravest class of any province")
    provinces: int = Field(ge=1, description="provinces that reported on that day")
    highest: PlacePrice
    lowest: PlacePrice
    spark: list[float | None] = Field(
        min_length=30, max_length=30, description="national price of the 30 days up to market_date"
    )


class Coverage(BaseModel):
    """How much of the country the figures cover."""

    provinces: int = Field(ge=0, description="provinces with a price of any commodity on the day")
    of: int = Field(description="provinces of the country")
    markets: int = Field(ge=0, description="markets that have ever reported")


class OverviewBalance(EventCounts):
    """The balance of all events read from Kafka."""

    balanced: bool


class Overview(BaseModel):
    """All commodities on one day."""

    date: OptionalDay = Field(description="the day of the figures; null: no price yet")
    items: list[OverviewItem] = Field(description="by name")
    coverage: Coverage
    balance: OverviewBalance
    open_quarantine: int = Field(ge=0, description="events that wait for a decision now")
    previous_date: OptionalDay = Field(description="nearest earlier day with a price")
    next_date: OptionalDay
    meta: Meta


class RegionName(BaseModel):
    """A province."""

    code: str
    name: str


class Seam(BaseModel):
    """Where the prices of two providers were put together in a series."""

    code: str = Field(description="of the province")
    provider: str = Field(description="whose prices these are from `day` on")
    spliced_from: str = Field(description="whose prices the earlier ones are, at the level of `provider`")
    day: date = Field(description="first day of `provider`")
    factor: float = Field(gt=0, description="by which the earlier prices were multiplied")


class DataSource(BaseModel):
    """Who published the prices, in the language of Accept-Language."""

    provider: str = Field(description="its id, as in the events")
    name: str
    licence: str | None = Field(description="of the data; null: not known")


class DailySeries(BaseModel):
    """Daily prices of a commodity in columns."""

    commodity: str
    name: str
    unit: str
    level: PriceLevel | None = Field(description="prices of provinces, or of markets; never mixed")
    dates: list[date] = Field(description="every calendar day from the first to the last with a price")
    regions: list[RegionName]
    price_idr: list[list[float | None]] = Field(
        description="a row per province, an element per day; null: no report"
    )
    national: list[float | None] = Field(description="mean of the provinces that reported")
    reference_idr: list[float | None] = Field(description="ceiling of that day, median of the provinces")
    seams: list[Seam] = Field(description="of provinces with prices of two providers in these days")
    sources: list[DataSource]
    meta: Meta


class ChartQuery(QueryParameters):
    """Parameters of a chart, as in the address of its page; those of other panels change nothing."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
    commodity: Name = Field("cabai-rawit-merah", alias="komoditas", description=COMMODITY)
    region: Name | None = Field(None, alias="prov", description="province in front; default: the nation")
    days: int = Field(365, alias="rentang", ge=30, le=2000, description="calendar days, those ahead included")
    day: Day | None = Field(None, alias="per", description="the last market day; default: the newest")
    then: Literal["0", "1"] = Field(
        "0", alias="saat-itu", description="1: as known at the close of `per` in Jakarta"
    )
    compared: str = Field(
        "", alias="bandingkan", max_length=200, description="up to three provinces, with commas"
    )
    hidden: str = Field(
        "",
        alias="sembunyi",
        max_length=100,
        description="what is left out, with commas: provinces (those of `prov` and `bandingkan` stay), "
        "national, ceiling, forecast",
    )
    zoom: str | None = Field(
        None, pattern=r"^\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d$", description="only first..last of these days"
    )
    lang: Language = Field("id", description="of the texts")

    @property
    def known_on(self) -> date | None:
        """The day whose knowledge is shown; None: now."""
        return self.day if self.then == "1" else None

    @property
    def span(self) -> tuple[date, date] | None:
        """First and last day of `zoom`."""
        first, _, last = (self.zoom or "").partition("..")
        return (date.fromisoformat(first), date.fromisoformat(last)) if last else None

    @field_validator("zoom")
    @classmethod
    def _is_a_span(cls, zoom: str | None) -> str | None:
        if zoom is not None:
            first, last = (date.fromisoformat(day) for day in zoom.split(".."))
            if first >= last:
                raise ValueError(message("days_order"))
        return zoom


class DrawnInterval(BaseModel):
    """The ends of an interval, an element per day of the chart."""

    level: Share
    lower: list[float | None]
    upper: list[float | None]


class DrawnForecast(BaseModel):
    """A forecast in a chart: elements per day of the chart, null outside the forecast."""

    model: str
    origin_date: date
    issued_at: datetime
    price_idr: list[float | None]
    levels: list[DrawnInterval] = Field(description="of 80 and 95 %")


class DrawnChart(BaseModel):
    """What the chart of a commodity draws, in columns."""

    title: str
    commodity: str
    name: str
    unit: str
    region: str = Field(description="the province in front, or Indonesia")
    level: PriceLevel | None
    dates: list[date] = Field(description="every calendar day, those of the forecast included")
    regions: list[RegionName]
    price_idr: list[list[float | None]] = Field(description="a row per province, an element per day")
    national: list[float | None] = Field(description="mean of the provinces that reported")
    reference_idr: list[float | None] = Field(description="ceiling of that day, median of the provinces")
    forecast: DrawnForecast | None = Field(description="null: none, or not the newest day")
    sources: list[DataSource] = Field(description="in the language of `lang`")
    page: str = Field(description="address of the page that shows it")
    meta: Meta


class MapRegion(BaseModel):
    """A province on the map."""

    code: str
    name: str
    value: float | None = Field(description="null: no report in 7 days, or no such figure")
    price_idr: float | None
    markets: int = Field(ge=0, description="distinct markets behind the value")
    age_days: int | None = Field(description="days between the report and the date of the map")
    provider: str | None = Field(description="who published the prices of the series")


class MapClass(BaseModel):
    """A class of the legend: from (inclusive) and to (exclusive); null is open."""

    from_: float | None = Field(alias="from")
    to: float | None
    label: str


class PriceMap(BaseModel):
    """A metric of every province."""

    commodity: str
    metric: MapMetric
    level: PriceLevel | None
    date: OptionalDay = Field(description="the market day of the map; null: no price")
    regions: list[MapRegion] = Field(description="all provinces by code")
    legend: list[MapClass] = Field(description="lowest class first; only those of price depend on the day")
    reason: str | None = Field(
        description="why no province has a value though some reported, in the language of Accept-Language"
    )
    meta: Meta
