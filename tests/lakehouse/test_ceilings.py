"""Ceilings and zones: the rows of the acts, looked up by market day."""

from datetime import date

import pytest

from lakehouse.reference import Ceiling, ceiling_on, ceilings, commodities, national_weights, provinces

# Provinces of the zones 1, 2 and 3.
JAWA_BARAT = "32"
ACEH = "11"
PAPUA = "91"


@pytest.mark.parametrize(
    ("day", "commodity", "z1", "z2", "z3"),
    [
        ("2017-09-01", "beras-medium", 9450, 9950, 10250),
        ("2017-09-01", "beras-premium", 12800, 13300, 13600),
        ("2023-03-14", "beras-medium", 9450, 9950, 10250),  # the day before the new one
        ("2023-03-15", "beras-medium", 10900, 11500, 11800),
        ("2023-03-15", "beras-premium", 13900, 14400, 14800),
        ("2024-03-10", "beras-premium", 14900, 15400, 15800),
        ("2024-03-10", "beras-medium", 10900, 11500, 11800),  # the relaxation covered premium only
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
def test_ceiling_is_that_of_the_day_and_zone(day: str, commodity: str, z1: float, z2: float, z3: float):
    bounds = [
        ceiling_on(date.fromisoformat(day), commodity, region, "consumer")
        for region in (JAWA_BARAT, ACEH, PAPUA)
    ]
    assert [bound and bound.high_idr for bound in bounds] == [z1, z2, z3]


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
def test_floor_is_that_of_the_day(day: str, commodity: str, low: float):
    bound = ceiling_on(date.fromisoformat(day), commodity, JAWA_BARAT, "producer")
    assert bound and (bound.low_idr, bound.bound_idr) == (low, low)


def test_no_ceiling_before_the_first_act_or_without_an_act():
    assert ceiling_on(date(2017, 8, 31), "beras-medium", JAWA_BARAT, "consumer") is None
    assert ceiling_on(date(2024, 1, 1), "garam", JAWA_BARAT, "consumer") is None
    assert ceiling_on(date(2024, 1, 1), "beras-medium", JAWA_BARAT, "producer") is None


def test_zones_are_those_of_the_acts():
    zones = {
        zone: {p.code for p in provinces().values() if p.rice_zone == zone} for zone in ("Z1", "Z2", "Z3")
    }
    java, sulawesi = {"31", "32", "33", "34", "35", "36"}, {"71", "72", "73", "74", "75", "76"}
    assert zones["Z1"] == java | sulawesi | {
        "16",
        "18",
        "51",
        "52",
    }  # and Sumatera Selatan, Lampung, Bali, NTB
    assert zones["Z2"] == {"11", "12", "13", "14", "15", "17", "19", "21", "53", "61", "62", "63", "64", "65"}
    assert zones["Z3"] == {"81", "82", "91", "92", "93", "94", "95", "96"}


def test_ceilings_name_known_commodities_in_their_own_unit():
    not_listed = {"gabah-kering-panen"}
    for ceiling in ceilings():
        assert (
            isinstance(ceiling, Ceiling)
            and ceiling.confidence in ("press", "quoted", "assumed")
            and ceiling.kind in ("HET", "HAP", "HPP")
        )
        assert ceiling.bound_idr and ceiling.act
        assert ceiling.commodity in not_listed or commodities()[ceiling.commodity].unit == ceiling.unit
    starts = [(ceiling.commodity, ceiling.zone, ceiling.level, ceiling.valid_from) for ceiling in ceilings()]
    assert len(starts) == len(set(starts))


def test_default_weights_of_provinces_are_equal():
    assert national_weights().name == "equal" and not national_weights().by_region
