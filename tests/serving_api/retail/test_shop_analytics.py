"""The figures of a shop: by category, of the newest state."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving_api.http.spreadsheets import MEDIA_TYPES
from tests.support.api import Api, new_stack, pages
from tests.support.retail.shop_lake import CATEGORIES, fill_shop
from tests.support.waiting import eventually

PRODUCTS = "/api/v1/retail/product-sentiment"
LISTS = ("revenue-history", "revenue-periods", "product-supply", "promotions", "elasticity", "top-products")
PATHS = ("revenue", "discount", "price-rating", "customer-satisfaction")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    stack = new_stack(tmp_path_factory.mktemp("shop"))
    fill_shop(stack.lake_root)
    running = Api(stack)
    yield running
    running.stop()


@pytest.mark.parametrize("path", PATHS)
def test_figures_are_also_files_with_the_same_items(shop: Api, path: str) -> None:
    items = shop.get(f"/analytics/{path}?category=books").json()["items"]
    for form, address, headers in (
        ("csv", f"/analytics/{path}?category=books&format=csv", {}),
        ("csv", f"/analytics/{path}?category=books", {"accept": "text/csv"}),
        ("xlsx", f"/analytics/{path}?category=books&format=xlsx", {}),
    ):
        answer = shop.get(address, headers=headers)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(MEDIA_TYPES[form])
        assert answer.headers["content-disposition"].endswith(f'.{form}"')
        if form == "csv":
            rows = list(csv.DictReader(answer.text.splitlines()))
            assert [row["category"] for row in rows] == ["BOOKS"] * len(items) and list(rows[0]) == list(
                items[0]
            )
        else:
            assert answer.content[:2] == b"PK"
    again = shop.get(f"/analytics/{path}?category=books")
    assert again.json()["items"] == items, "a file is never taken for the answer in JSON"


def test_revenue_is_the_sum_over_the_newest_states(shop: Api) -> None:
    body = shop.get("/analytics/revenue").json()
    assert sorted(item["category"] for item in body["items"]) == list(CATEGORIES)
    revenues = [item["revenue"] for item in body["items"]]
    assert revenues == sorted(revenues, reverse=True) and body["total_revenue"] == sum(revenues)
    assert sum(item["units_sold"] for item in body["items"]) == sum(110 + number for number in range(90))
    assert body["meta"]["demo_data"] is True, "product 0 is of the simulator"
    for limit in (1, 100):
        days = pages(shop, f"/api/v1/retail/revenue-history?limit={limit}")
        assert [day["units_new"] for day in days] == [300, 300, 300, 0, 0, 0]
        assert [day["market_date"] for day in days] == ["2026-03-02"] * 3 + ["2026-03-01"] * 3
        top = pages(shop, f"/api/v1/retail/top-products?category=books&limit={limit}")
        earned = [product["revenue"] for product in top]
        assert len(top) == 20 and earned == sorted(earned, reverse=True)
        assert {product["category"] for product in top} == {"BOOKS"}
    assert shop.get("/api/v1/retail/top-products?category=TELEPATHY").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_category_is_a_filter_in_any_case(shop: Api, path: str) -> None:
    every = shop.get(f"/analytics/{path}")
    assert {item["category"] for item in every.json()["items"]} == set(CATEGORIES)
    assert shop.get(f"/analytics/{path}", headers={"If-None-Match": every.headers["etag"]}).status_code == 304
    for given, name in (("electronics", "ELECTRONICS"), ("kites", "KITES")):
        chosen = shop.get(f"/analytics/{path}?category={given}").json()["items"]
        assert chosen == [item for item in every.json()["items"] if item["category"] == name] != []
    assert shop.get(f"/analytics/{path}?category=wine").json()["items"] == [], "listed, but not in the shop"
    refused = shop.get(f"/analytics/{path}?category=TELEPATHY")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/unknown-category")
    assert shop.get(f"/analytics/{path}?brand=x").status_code == 422


@pytest.mark.parametrize("path", LISTS)
def test_category_filters_lists_also_of_tables_that_are_not_held_in_memory(shop: Api, path: str) -> None:
    items = shop.get(f"/api/v1/retail/{path}?shop=panel&category=books").json()["items"]
    assert {item["category"] for item in items} <= {"BOOKS"} and (items or path == "elasticity")
    assert shop.get(f"/api/v1/retail/{path}?shop=panel&category=TELEPATHY").status_code == 404


def test_shops_have_figures_of_their_own(shop: Api) -> None:
    listed = shop.get("/api/v1/retail/shops").json()
    assert [item["shop"] for item in listed["items"]] == ["main", "panel", "toko-b"]
    assert listed["meta"]["demo_data"]
    for path in PATHS:
        body = shop.get(f"/analytics/{path}").json()
        other = shop.get(f"/analytics/{path}?shop=toko-b").json()
        assert (body["shop"], other["shop"], other["currency"]) == ("main", "toko-b", None)
        assert body["items"] != other["items"] != [] and not other["meta"]["demo_data"]
        assert shop.get(f"/analytics/{path}?shop=main").json()["items"] == body["items"]
        assert shop.get(f"/analytics/{path}?shop=nowhere").json()["type"] == "/problems/unknown-shop"
        assert shop.get(f"/analytics/{path}?shop=No%20Shop").status_code == 422
    for path in ("revenue-history", "top-products"):
        assert len(pages(shop, f"/api/v1/retail/{path}?shop=toko-b")) == {"r": 6, "t": 12}[path[0]]
    assert sum(item["products"] for item in shop.get("/analytics/revenue?shop=toko-b").json()["items"]) == 12


@pytest.mark.parametrize("limit", [1, 100])
def test_products_that_posts_name_are_listed_with_their_polarity(shop: Api, limit: int) -> None:
    listed = pages(shop, f"{PRODUCTS}?limit={limit}")
    assert listed == [
        {
            "product_name": "Radio Saku",
            "category": "ELECTRONICS",
            "posts": 3,
            "positive": 2,
            "neutral": 0,
            "negative": 1,
            "score": 1 / 8,
            "newest": "2026-03-03",
        },
        {
            "product_name": "Layangan Naga",
            "category": "KITES",
            "posts": 1,
            "positive": 1,
            "neutral": 0,
            "negative": 0,
            "score": 1 / 6,
            "newest": "2026-03-04",
        },
    ]
    assert pages(shop, f"{PRODUCTS}?category=kites&limit={limit}") == listed[1:]


def test_shop_whose_products_no_post_names_has_no_product_sentiment(shop: Api) -> None:
    assert shop.get(PRODUCTS).json()["meta"]["model"]["name"] == "lexicon"
    for query in ("?shop=toko-b", "?category=books"):
        assert shop.get(PRODUCTS + query).json()["items"] == []
    for query in ("?shop=nowhere", "?category=TELEPATHY"):
        assert shop.get(PRODUCTS + query).status_code == 404
    assert shop.get(f"{PRODUCTS}?brand=x").status_code == 422


def test_bands_and_figures_of_a_category(shop: Api) -> None:
    bands = shop.get("/analytics/discount?category=books").json()["items"]
    assert [band["discount_band"] for band in bands] == ["0-5", "5-15", "15-30", ">30"]
    assert bands[0]["lift_units"] == 0 and bands[1]["lift_revenue_low"] < bands[1]["lift_revenue_high"]
    (rating,) = shop.get("/analytics/price-rating?category=books").json()["items"]
    assert rating["n"] == 30 and rating["ci_low"] < rating["correlation"] < rating["ci_high"]
    assert sum(band["products"] for band in rating["bands"]) == 30
    (books,) = shop.get("/analytics/customer-satisfaction?category=books").json()["items"]
    assert books["satisfaction_index"] == pytest.approx(25 * (books["bayesian_rating"] - 1))
    assert books["sold_out"] > 0 and books["days_of_cover"] > 0


def test_address_is_answered_again_until_its_table_has_a_new_version(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("empty")
    fill_shop(f"{home}/filled")
    stack = new_stack(home)
    api = Api(stack)
    for path in PATHS:
        bodies = [api.get(f"/analytics/{path}").json() for _ in range(2)]
        assert len({body["meta"].pop("request_id") for body in bodies}) == 2
        assert bodies[0] == bodies[1] and bodies[0]["items"] == []
        assert api.get(f"/analytics/{path}", headers={"Accept": "text/html"}).status_code == 406
    assert api.get(PRODUCTS).json()["items"] == []
    Path(stack.lake_root).mkdir(exist_ok=True)
    Path(f"{home}/filled/gold").rename(f"{stack.lake_root}/gold")

    def are_filled() -> bool:
        return all(api.get(f"/analytics/{path}").json()["items"] for path in PATHS)

    eventually(are_filled)
    api.stop()
