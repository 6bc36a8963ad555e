"""Reference lists of LUMBUNG_HOME, laid over those of the repository."""

from datetime import date
from pathlib import Path

import pytest

from lakehouse.reference import (
    basket,
    ceiling_on,
    commodities,
    commodity_aliases,
    market_id_of,
    markets,
    place_aliases,
    provinces,
    region_aliases,
    region_weights,
    unit_aliases,
)
from lakehouse.reference_check import check_lists
from lakehouse.reference_files import ReferenceListError
from tests.lakehouse.own_lists import own_lists

PETAI = (
    "{id: petai, name: Petai, group: other, unit: kg, band_idr: [1000, 200000], typical_idr: 30000, "
    "daily_volatility: 0.02}"
)


def test_entry_of_a_listed_id_adds_aliases_and_replaces_other_keys(tmp_path: Path):
    text = "commodities:\n  - {id: bawang-merah, aliases: [Brambang, No], daily_volatility: 0.5}\n"
    with own_lists(tmp_path, commodities=text + "units:\n  kg: [kilo gramm]\n  karung: [sak]\n"):
        check_lists()
        changed = commodities()["bawang-merah"]
        assert changed.daily_volatility == 0.5 and changed.unit == "kg"
        known = commodity_aliases()
        assert {known["brambang"], known["no"], known["shallot"]} == {"bawang-merah"}
        assert unit_aliases()["kilogramm"] == unit_aliases()["rpkg"] == "kg"
        assert unit_aliases()["sak"] == "karung"
    assert "brambang" not in commodity_aliases()


def test_new_entries_are_added_and_codes_need_no_quotes(tmp_path: Path):
    with own_lists(
        tmp_path,
        commodities=f"commodities:\n  - {PETAI}\n",
        provinces="provinces:\n  - {code: 32, aliases: [Priangan]}\n",
        markets="markets:\n  - {market_id: KRANGGAN, name: Kranggan, region: 34, aliases: [Pasar Jetis]}\n",
        ceilings="ceilings:\n  - {commodity: petai, level: consumer, kind: HET, high_idr: 50000, unit: kg, "
        "valid_from: 2024-01-01, act: none, confidence: assumed}\n",
    ):
        check_lists()
        assert commodities()["petai"].band_idr == (1000, 200000)
        assert region_aliases()["priangan"] == "32" and provinces()["32"].name == "Jawa Barat"
        assert markets()["KRANGGAN"].region_code == "34" and place_aliases()["pasarjetis"] == "34"
        assert market_id_of("PASAR JETIS") == "KRANGGAN"
        entry = ceiling_on(date(2024, 5, 1), "petai", "32", "consumer")
        assert entry is not None and entry.bound_idr == 50000


def test_own_basket_replaces_that_of_the_weekly_index(tmp_path: Path):
    assert sum(item.weight_pct for item in basket().items.values()) == pytest.approx(8.33)
    own = (
        "basket: {source: TPID, year: 2024, items: {beras: {weight_pct: 60, commodities: [beras-medium]}}}\n"
    )
    with own_lists(tmp_path, weights=own + "regions: {by_region: {'32': 4}}\n"):
        check_lists()
        assert list(basket().items) == ["beras"] and basket().text == "TPID (2024)"
        assert region_weights().by_region == {"32": 4}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("{beras: {weight_pct: 60, commodities: [bras]}}", "basket: 'beras': there is no commodity 'bras'"),
        (
            "{a: {weight_pct: 1, commodities: [garam]}, b: {weight_pct: 1, commodities: [garam]}}",
            "basket: 'b': the commodity 'garam' is one of 'a' too",
        ),
        ("{beras: {weight_pct: 0, commodities: [garam]}}", "greater than 0"),
        ("{}", "at least 1 item"),
    ],
)
def test_basket_that_cannot_be_used_is_named(tmp_path: Path, items: str, message: str):
    with (
        own_lists(tmp_path, weights=f"basket: {{items: {items}}}\n"),
        pytest.raises(ReferenceListError, match="weights.yml: basket: .*remedy: correct it") as refusal,
    ):
        check_lists()
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("commodities", "commodities:\n  - {name: x}\n", "entry 1 of 'commodities': the key 'id' is missing"),
        ("commodities", "commodities:\n  - {id: petai}\n", "'petai': the key 'name' is missing"),
        (
            "commodities",
            f"commodities:\n  - {PETAI.replace('unit', 'units')}\n",
            "'petai': the key 'unit' is missing; there is no key 'units'",
        ),
        (
            "commodities",
            "commodities:\n  - {id: bawang-merah, aliases: [garlic]}\n",
            "the name 'garlic' is that of 'bawang-merah' too",
        ),
        (
            "commodities",
            "commodities:\n  - {id: cabai, members: [cabai-hijau]}\n",
            "'cabai': 'members': there is no commodity 'cabai-hijau'",
        ),
        ("commodities", "commodity:\n  - {id: x}\n", "there is no section 'commodity'"),
        ("commodities", "commodities: {id: x}\n", "'commodities' is not a list of entries"),
        ("commodities", "commodities: [\n", "commodities.yml: line 2"),
        ("markets", "markets:\n  - {market_id: X, name: X, region: 99}\n", "there is no province '99'"),
        ("market", "markets: []\n", "market.yml: no list has this name"),
        (
            "exchanges",
            "exchanges:\n  - {currency: KES, calendar: XNAI}\n",
            "'KES': 'calendar': exchange_calendars has no calendar 'XNAI'",
        ),
    ],
)
def test_wrong_list_is_an_error_with_file_entry_key_and_remedy(
    tmp_path: Path, name: str, text: str, message: str
):
    with own_lists(tmp_path, **{name: text}) as folder, pytest.raises(ReferenceListError) as error:
        check_lists()
    assert message in str(error.value) and str(folder) in str(error.value)
    assert "; remedy: " in str(error.value)


@pytest.mark.parametrize(
    ("name", "region", "market_id"),
    [
        ("Pasar Caringin", None, "PASAR-001"),
        ("pasar  caringin", "32", "PASAR-001"),
        ("PASAR-001", None, "PASAR-001"),
        ("Pasar Caringin", "31", "31-PASAR-CARINGIN"),
        ("Psr. Baru (Kota)", None, "PSR-BARU-KOTA"),
        ("Pasar Bérsehati", "71", "71-PASAR-BERSEHATI"),
        ("x" * 100, "32", "32-" + "X" * 61),
    ],
)
def test_market_of_a_name_has_the_listed_id_or_one_made_of_the_name(
    name: str, region: str | None, market_id: str
):
    assert market_id_of(name, region) == market_id


@pytest.mark.parametrize("name", ["Beras", "Cabai Merah", "Minyak Goreng", "Daging Kerbau", "Ikan"])
def test_group_of_an_official_panel_is_a_commodity_with_members_and_a_representative(name: str):
    group = commodities()[commodity_aliases()[name.lower().replace(" ", "")]]
    assert group.is_group and group.representative in group.members
    units = {commodities()[member].unit for member in group.members}
    assert units == {group.unit} and not commodities()[group.representative].is_group
