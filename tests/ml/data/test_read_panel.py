"""Panels from files and from a lake: names, gaps, carried weekends, outages, and when a price is known."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from conf.settings import settings
from ml.data.from_rows import carried_weekends, days_after_outage
from ml.data.load import daily_prices, read_panel
from ml.data.panel import SECOND_PRICE, NothingToLearn

PANEL = settings().shared / "data" / "panelharga_prov_daily"


def random_walk_rows(commodities: int, regions: int, days: int, seed: int = 1) -> pd.DataFrame:
    """Long rows of random walks of commodities and regions that are in no reference list."""
    random = np.random.default_rng(seed)
    dates = pd.date_range("2023-01-02", periods=days, freq="D")
    walk = np.round(
        10_000 * np.exp(np.cumsum(0.02 * random.standard_normal((commodities, regions, days)), axis=2))
    )
    index = pd.MultiIndex.from_product(
        [[f"Crop {g}" for g in range(commodities)], [f"Land {r}" for r in range(regions)], dates]
    )
    return (
        pd.Series(walk.ravel(), index=index.set_names(["commodity", "region", "date"]))
        .rename("price")
        .reset_index()
    )


def test_long_file_with_unknown_names_gaps_and_invalid_prices_is_read(tmp_path):
    rows = random_walk_rows(2, 3, 40)
    rows["price"] = rows["price"].astype(object)
    rows.loc[[5, 6, 7, 50], "price"] = ["-", 0, -5, None]
    rows = rows[~((rows["commodity"] == "Crop 1") & (rows["date"] == "2023-01-20"))]
    file = tmp_path / "long.csv"
    rows.sample(frac=1, random_state=1)[["region", "price", "date", "commodity"]].to_csv(file, index=False)
    panel = read_panel(file)
    assert panel.distinct_commodities == ("crop-0", "crop-1")
    assert panel.regions[:3] == ("land-0", "land-1", "land-2")
    assert panel.price.shape == (6, 40)
    assert np.isnan(panel.price[0, 5:8]).all()
    assert np.isnan(panel.price[3:, 18]).all()
    assert np.isfinite(panel.price[:3, 18]).all()
    assert panel.source["rows_dropped"] == 4


def test_known_names_become_ids_and_several_prices_their_median(tmp_path):
    file = tmp_path / "long.csv"
    lines = ["Cabe  rawit,JAWA BARAT,50000", "Cabai Rawit,Jabar,52000", "CABAI RAWIT,32,60000"]
    file.write_text("commodity,region,price,date\n" + "".join(f"{line},2024-01-01\n" for line in lines))
    panel = read_panel(file)
    assert (panel.commodities, panel.regions, panel.units) == (("cabai-rawit-merah",), ("32",), ("kg",))
    assert panel.price.tolist() == [[52000.0]]


@pytest.mark.parametrize(
    "text", ["date,price\n2024-01-01,5\n", "date,commodity,region,price\nyesterday,a,b,1\n"]
)
def test_file_without_a_needed_column_or_a_usable_row_is_rejected(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match="lacks the columns|no row"):
        read_panel(tmp_path / "a.csv")


def test_empty_folder_is_rejected(tmp_path):
    with pytest.raises(NothingToLearn):
        read_panel(tmp_path)


def test_weekends_are_removed_only_where_the_source_is_frozen():
    days = np.datetime64("2023-01-02") + np.arange(200)  # a Monday
    random = np.random.default_rng(2)
    price = np.round(1000 * np.exp(np.cumsum(0.02 * random.standard_normal((8, 200)), axis=1)))
    weekend = np.arange(200) % 7 >= 5
    for day in np.flatnonzero(weekend):
        price[:4, day] = price[:4, day - 1]
    price[0, 5] += 50  # a weekend price that differs was observed
    regions = ("a",) * 4 + ("b",) * 4
    carried = carried_weekends(price, days, regions)
    assert not carried[4:].any()
    assert not carried[0, 5]
    known = np.arange(200) >= 12 * 7 + 5  # 100 pairs of four series: twelve and a half weekends
    assert carried[:4, weekend & known].all()
    assert not carried[:, ~weekend].any() and not carried[:, ~known].any()
    assert all(
        (carried_weekends(price[:, :day], days[:day], regions) == carried[:, :day]).all()
        for day in range(1, 200, 7)
    )


def test_days_after_an_outage_are_found_without_looking_ahead():
    price = np.full((10, 300), 100.0)
    price[:, 150:180] = np.nan
    price[:, 220:225] = np.nan  # a holiday
    affected = days_after_outage(price)
    assert np.flatnonzero(affected).tolist() == list(range(180, 195))
    assert all((days_after_outage(price[:, :stop]) == affected[:stop]).all() for stop in range(1, 300, 7))


def test_publishing_lag_moves_prices_to_the_day_they_are_known(tmp_path):
    random_walk_rows(1, 2, 30).to_csv(tmp_path / "a.csv", index=False)
    there, late = read_panel(tmp_path / "a.csv"), read_panel(tmp_path / "a.csv", lag_days=2)
    assert (late.days == there.days + 2).all()
    assert np.array_equal(late.price, there.price)
    assert late.source["fingerprint"] != there.source["fingerprint"]


def test_gold_gives_retail_prices_of_the_level_with_more_days_and_exogenous_series(tmp_path):
    def row(
        day: int,
        level: str,
        price: float,
        channel: str = "retail",
        region: str = "32",
        provider: str = "panel-harga",
    ) -> dict:
        of = {
            "commodity": "bawang-merah",
            "region_code": region,
            "channel": channel,
            "level": level,
            "provider": provider,
            "unit": "kg",
        }
        return of | {"market_date": date(2024, 1, day), "median_price_idr": price}

    rows = [row(day, "province", 100.0 + day) for day in range(1, 9)] + [
        row(3, "market", 900.0),
        row(9, "market", 901.0),
    ]
    rows += [row(4, "province", 5.0, "wholesale"), row(2, "market", 70.0, region="31")]
    rows += [row(day, "province", 200.0 + day, provider="pihps") for day in range(2, 8)]  # fewer days
    write_deltalake(str(tmp_path / "gold" / "daily_prices"), pa.Table.from_pylist(rows))
    stamps = pd.to_datetime(["2023-12-01T00:00:00Z", "2024-01-03T06:59:00Z", "2024-01-05T07:00:01Z"])
    macro = pd.DataFrame(
        {"indicator": "fx-usd-idr", "value": [1.0, 2.0, 3.0], "unit": "IDR per USD", "released_at": stamps}
    )
    write_deltalake(str(tmp_path / "silver" / "macro"), pa.Table.from_pandas(macro))
    panel = read_panel(tmp_path)
    assert panel.regions == ("31", "32")
    assert panel.price[1].tolist() == [101.0 + day for day in range(8)]
    assert panel.source["version"] == 0
    assert panel.providers == ("panel-harga", "panel-harga")
    second, rate = panel.exogenous
    assert second.name == SECOND_PRICE and np.isnan(second.value[0]).all()
    assert second.value[1, 1:7].tolist() == [202.0 + day for day in range(6)]
    assert np.isnan(second.value[1, [0, 7]]).all()
    assert {int(day): rate.value[day] for day in np.flatnonzero(np.isfinite(rate.value))} == {
        0: 1.0,
        2: 2.0,
        5: 3.0,
    }


@pytest.mark.parametrize(("last_day", "price"), [(69, 100.0), (68, 200.0)])
def test_level_that_has_ended_is_not_a_series_of_today(tmp_path: Path, last_day: int, price: float):
    """An archive has more days, but its last price is 31 days older than that of the markets."""
    rows = [
        {"commodity": "bawang-merah", "region_code": "32", "channel": "retail", "level": level, "unit": "kg"}
        | {
            "provider": provider,
            "market_date": date(2024, 1, 1) + timedelta(day),
            "median_price_idr": level_price,
        }
        for level, provider, level_price, days in (
            ("province", "panel-harga", 200.0, range(39)),
            ("market", "market", 100.0, range(last_day - 3, last_day + 1)),
        )
        for day in days
    ]
    write_deltalake(str(tmp_path / "gold" / "daily_prices"), pa.Table.from_pylist(rows))
    panel = daily_prices(str(tmp_path))
    assert set(panel.price[0][np.isfinite(panel.price[0])]) == {price}


def test_second_source_is_moved_by_the_publishing_lag_and_aligned(tmp_path):
    """It may begin later, end earlier, know other series and report at another level."""
    of = {"commodity": "bawang-merah", "channel": "retail", "unit": "kg"}
    rows = [
        {**of, "region_code": region, "level": level, "provider": provider}
        | {"market_date": date(2024, 1, 1) + timedelta(day), "median_price_idr": price + day}
        for region, level, provider, price, days in (
            ("32", "province", "panel-harga", 100.0, range(40)),
            ("32", "market", "dinas", 200.0, range(10, 30)),
            ("32", "market", "panel-harga", 300.0, range(35)),
            ("51", "market", "dinas", 400.0, range(12)),
        )
        for day in days
    ]
    write_deltalake(str(tmp_path / "gold" / "daily_prices"), pa.Table.from_pylist(rows))
    panel = daily_prices(str(tmp_path), lag_days=2)
    assert panel.series == (("bawang-merah", "32"), ("bawang-merah", "51"))
    assert panel.providers == ("panel-harga", "dinas")
    (second,) = panel.exogenous
    assert np.isnan(second.value[1]).all(), "a series of one provider has no second source"
    assert second.value[0, 10:30].tolist() == [210.0 + day for day in range(20)]
    assert np.isfinite(second.value).sum() == 20 and str(panel.days[0]) == "2024-01-03"


def test_files_of_any_format_are_read_with_markets_providers_and_local_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settings(), "home", tmp_path / "home")
    (tmp_path / "home" / "sources").mkdir(parents=True)
    (tmp_path / "home" / "sources" / "mine.yml").write_text(
        "description: x\nkind: price\nlayout: long\ndelimiter: ';'\n"
        "header: [No, Hari, Provinsi, Pasar, Barang, Harga, Sumber]\n"
        "time: {column: Hari, format: '%d-%m-%Y'}\nno_event: {price: ['-']}\n"
        "fields:\n  region: {column: Provinsi}\n  market_id: {column: Pasar, as: market}\n"
        "  commodity: {column: Barang}\n  price: {column: Harga, as: number, thousands: '.'}\n"
        "  provider: {column: Sumber}\n"
    )
    lines = ["No;Hari;Provinsi;Pasar;Barang;Harga;Sumber"]
    for day in range(1, 6):
        for market, price in (("Pasar A", 30), ("Pasar B", 32), ("Pasar C", 40)):
            lines.append(f"{day};0{day}-01-2024;Papua;{market};Cabe Rawit;{price + day}.000;dinas")
        lines.append(f"{day};0{day}-01-2024;Papua;Pasar A;Petai;9.000;dinas")
    lines += [
        "9;05-01-2024;Papua;Pasar A;Cabe Rawit;99.000;lain",
        "9;06-01-2024;Papua;Pasar A;Cabe Rawit;-;dinas",
    ]
    (tmp_path / "prices.csv").write_text("\n".join(lines) + "\n")
    panel = read_panel(tmp_path / "prices.csv")
    assert panel.series == (("cabai-rawit-merah", "91"), ("petai", "91")) and panel.units == ("kg", "unit")
    assert [str(day) for day in panel.days] == [f"2024-01-0{day}" for day in range(1, 6)]
    assert panel.price[0].tolist() == [33_000.0 + 1000 * day for day in range(5)]  # the median market
    assert panel.providers == ("dinas", "dinas")
    (second,) = panel.exogenous
    assert second.value[0, 4] == 99_000.0 and np.isfinite(second.value).sum() == 1


def test_files_without_prices_are_named_with_the_reasons(tmp_path: Path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(NothingToLearn, match="a.csv: unknown header: x,y"):
        read_panel(tmp_path)


def test_missing_gold_table_is_reported(tmp_path):
    with pytest.raises(NothingToLearn, match="no table"):
        daily_prices(str(tmp_path))


@pytest.mark.skipif(not PANEL.exists(), reason=f"the Panel Harga files are not below {settings().shared}")
def test_panel_harga_is_read_as_published():
    panel = read_panel(PANEL)
    assert panel.price.shape == (13 * 34, 1004)
    assert int(np.isfinite(panel.price).sum()) == 422_589 - int(panel.source["cells_after_outage"])
    assert {"fx-usd-idr", "futures-palm-oil"} <= {series.name for series in panel.exogenous}
    assert panel.source["days_after_outage"][0] == "2022-07-14"
    assert panel.source["weekend_cells_carried"] == 0


def wide_file(file: Path, level: float, first: int, days: int) -> None:
    """A wide table of the layout of Panel Harga: a price that rises by a rupiah a day."""
    file.parent.mkdir(parents=True, exist_ok=True)
    dates = pd.date_range("2024-01-01", periods=first + days)[first:].strftime("%Y-%m-%d")
    rows = [f"{day},{level + nth},{level + nth}" for nth, day in enumerate(dates, first)]
    file.write_text("\n".join(["Date,Aceh,Bali", *rows]) + "\n")


def test_two_folders_with_other_prices_of_the_same_days_are_two_providers(tmp_path: Path):
    wide_file(tmp_path / "office" / "Beras.csv", 10_000, 0, 20)
    wide_file(tmp_path / "agency" / "Beras.csv", 20_000, 0, 15)
    panel = read_panel(tmp_path)
    assert panel.providers == ("office", "office")
    assert panel.price.tolist() == [[10_000.0 + day for day in range(20)]] * 2
    (second,) = [series for series in panel.exogenous if series.name == SECOND_PRICE]
    assert second.value[0, :15].tolist() == [20_000.0 + day for day in range(15)]


def test_two_folders_that_go_on_with_a_series_are_one_provider(tmp_path: Path):
    wide_file(tmp_path / "2023" / "Beras.csv", 10_000, 0, 12)
    wide_file(tmp_path / "2024" / "Beras.csv", 10_000, 10, 10)  # two days are in both
    panel = read_panel(tmp_path)
    assert panel.price.tolist() == [[10_000.0 + day for day in range(20)]] * 2
    assert not panel.exogenous


def test_files_of_one_folder_that_disagree_are_two_providers(tmp_path: Path):
    wide_file(tmp_path / "Beras.csv", 10_000, 0, 20)
    (tmp_path / "other.csv").write_text("date,commodity,region,price\n2024-01-03,Beras,Aceh,30000\n")
    assert read_panel(tmp_path).price.max() == 10_019
