"""Ceilings and zones: the rows of the acts, looked up by the market day they are asked for."""

from datetime import date

import pytest

from lakehouse.reference import Ceiling, ceiling_on, ceilings, commodities, national_weights, provinces

JAWA_BARAT, ACEH, PAPUA = "32", "11", "91"  # zones 1, 2, 3


@pytest.mark.parametrize(
    ("day", "commodity", "z1", "z2", "z3"),
    [
        ("2017-09-01", "beras-medium", 9450, 9950, 10250),
        ("2017-09-01", "beras-premium", 12800, 13300, 13600),
        ("2023-03-14", "beras-medium", 9450, 9950, 10250),  # the day before the new one
        ("2023-03-15", "beras-medium", 10900, 11500, 11800),
        ("2023-03-15", "beras-premium", 13900, 14400, 14800),
        ("2024-03-10", "beras-premium", 14900, 15400, 15800),
        ("2024-03-10", "beras-medium", 10900, 11500, 11800),  # the relaxation spoke of premium alone
        ("2024-06-10", "beras-medium", 12500, 13100, 13500),
        ("2024-06-10", "beras-premium", 14900, 15400, 15800),
        ("2025-08-22", "beras-medium", 13500, 14000, 15500),
        ("2025-08-22", "beras-premium", 14900, 15400, 15800),
        ("2022-12-28", "gula-konsumsi", 13500, 13500, 14500),
        ("2023-07-24", "gula-konsumsi", 14500, 14500, 15500),
        ("2023-11-03", "gula-konsumsi", 16000, 16000, 17000),
        ("2024-04-05", "gula-konsumsi", 17500, 17500, 18500),
        ("2022-02-01", "minyak-goreng-curah", 11500, 11500, 11500),
        ("2022-03-16", "minyak-goreng-curah", 14000, 14000, 14000),
        ("2024-08-13", "minyakita", 14000, 14000, 14000),
        ("2024-08-14", "minyakita", 15700, 15700, 15700),
        ("2022-12-28", "bawang-merah", 41500, 41500, 41500),
        ("2022-12-28", "cabai-rawit-merah", 57000, 57000, 57000),
        ("2022-12-28", "cabai-merah-keriting", 55000, 55000, 55000),
        ("2022-12-28", "daging-sapi", 140000, 140000, 140000),
        ("2022-12-28", "kedelai-impor", 12000, 12000, 12000),
        ("2022-10-05", "telur-ayam-ras", 27000, 27000, 27000),
        ("2022-10-05", "daging-ayam-ras", 36750, 36750, 36750),
        ("2025-06-01", "telur-ayam-ras", 30000, 30000, 30000),
        ("2025-06-01", "daging-ayam-ras", 40000, 40000, 40000),
        ("2025-06-01", "bawang-putih", 40000, 40000, 40000),
        ("2025-06-01", "jagung-peternak", 5800, 5800, 5800),
    ],
)
def test_the_ceiling_of_its_own_day(day: str, commodity: str, z1: float, z2: float, z3: float):
    found = [ceiling_on(date.fromisoformat(day), commodity, region, "consumer") for region in (JAWA_BARAT, ACEH, PAPUA)]
    assert [one and one.high_idr for one in found] == [z1, z2, z3]


@pytest.mark.parametrize(
    ("day", "commodity", "low"),
    [
        ("2022-12-28", "bawang-merah", 18500),
        ("2022-12-28", "cabai-rawit-merah", 25000),
        ("2022-12-28", "cabai-merah-keriting", 22000),
        ("2022-10-05", "telur-ayam-ras", 22000),
        ("2024-04-05", "gula-konsumsi", 14500),
        ("2025-01-14", "gabah-kering-panen", 5000),
        ("2025-01-15", "gabah-kering-panen", 6500),
    ],
)
def test_the_floor_of_its_own_day(day: str, commodity: str, low: float):
    found = ceiling_on(date.fromisoformat(day), commodity, JAWA_BARAT, "producer")
    assert found and (found.low_idr, found.bound_idr) == (low, low)


def test_before_the_first_act_and_for_a_good_without_one_there_is_none():
    assert ceiling_on(date(2017, 8, 31), "beras-medium", JAWA_BARAT, "consumer") is None
    assert ceiling_on(date(2024, 1, 1), "garam", JAWA_BARAT, "consumer") is None
    assert ceiling_on(date(2024, 1, 1), "beras-medium", JAWA_BARAT, "producer") is None


def test_zones_are_those_of_the_acts():
    zones = {zone: {p.code for p in provinces().values() if p.rice_zone == zone} for zone in ("Z1", "Z2", "Z3")}
    java, sulawesi = {"31", "32", "33", "34", "35", "36"}, {"71", "72", "73", "74", "75", "76"}
    assert zones["Z1"] == java | sulawesi | {"16", "18", "51", "52"}  # and Sumatera Selatan, Lampung, Bali, NTB
    assert zones["Z2"] == {"11", "12", "13", "14", "15", "17", "19", "21", "53", "61", "62", "63", "64", "65"}
    assert zones["Z3"] == {"81", "82", "91", "92", "93", "94", "95", "96"}


def test_the_table_names_known_goods_in_their_own_unit():
    beside_the_list = {"gabah-kering-panen"}
    for one in ceilings():
        assert isinstance(one, Ceiling) and one.confidence in ("press", "quoted", "assumed") and one.kind in ("HET", "HAP", "HPP")
        assert one.bound_idr and one.act
        assert one.commodity in beside_the_list or commodities()[one.commodity].unit == one.unit
    starts = [(one.commodity, one.zone, one.level, one.valid_from) for one in ceilings()]
    assert len(starts) == len(set(starts))


def test_provinces_weigh_alike_unless_told_otherwise():
    assert national_weights().name == "equal" and not national_weights().by_region
