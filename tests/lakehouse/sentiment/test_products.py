"""Which products of a catalogue a text names."""

import pytest

from lakehouse.sentiment.products import Product, ProductNames

CATALOGUE = [
    ("main", "ELECTRONICS", "Galaxy S24"),
    ("main", "ELECTRONICS", "Galaxy S24 Ultra"),
    ("main", "ELECTRONICS", "galaxy  s24-ULTRA"),
    ("toko-b", "HP", "Galaxy S24"),
    ("main", "HOME", "Moka Pot"),
    ("main", "HOME", "Vas"),
    ("main", "HOME", "Rice-Cooker 1.8 L"),
    ("main", "HOME", "Lampu Meja"),
    ("main", "BOOKS", "Books 1234"),
    ("main", "BOOKS", "The Best of"),
    ("main", "FOOD", "Bawang Merah"),
    ("main", "FOOD", "Bawang Merah Goreng Pak Kumis"),
    ("main", "SEPATU", "Sepatu"),
    ("main", "SEPATU", "Sneakers"),
    ("main", "FOOD", ""),
]


@pytest.fixture(scope="module")
def names() -> ProductNames:
    return ProductNames(Product(*row) for row in CATALOGUE)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("MOKA POT ini bagus; moka pot!", ["Moka Pot"]),
        ("Galaxy s24 ultra saya rusak", ["Galaxy S24 Ultra"]),
        ("dua: Galaxy S24 Ultra dan rice cooker 1.8 l", ["Galaxy S24 Ultra", "Rice-Cooker 1.8 L"]),
        ("Lampu, meja dan sneakers", ["Lampu Meja", "Sneakers"]),
        ("lampu di meja", []),
        ("Lampumeja, mokapot, sneakersku", []),
        ("bawang merah goreng pak kumis lezat", ["Bawang Merah Goreng Pak Kumis"]),
        ("@sneakers https://toko.example/moka-pot", []),
        ("bawang merah naik, sepatu turun, vas murah, the best of books 1234", []),
        ("galaxy s24", ["Galaxy S24", "Galaxy S24"]),
        ("Moka", []),
        ("", []),
    ],
)
def test_whole_telling_names_are_named(names: ProductNames, text: str, named: list[str]) -> None:
    assert [product.name for product in names.named_in(text)] == named


def test_products_of_two_shops_are_both_named(names: ProductNames) -> None:
    assert names.named_in("Galaxy S24") == [
        Product("main", "ELECTRONICS", "Galaxy S24"),
        Product("toko-b", "HP", "Galaxy S24"),
    ]


def test_names_that_begin_alike_cost_as_many_look_ups_as_they_have_lengths() -> None:
    names = ProductNames(Product("main", "HOME", f"Alat dapur {number}") for number in range(20_000))
    looked_up: list[str] = []

    class Counted(dict[str, tuple[Product, ...]]):
        def get(self, key: str, default: tuple[Product, ...] = ()) -> tuple[Product, ...]:
            looked_up.append(key)
            return super().get(key, default)

    names._products = Counted(names._products)
    assert names.named_in("alat dapur 7 " * 10) == [Product("main", "HOME", "Alat dapur 7")]
    assert looked_up == ["alat dapur 7"] * 10
