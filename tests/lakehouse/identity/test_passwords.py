"""Passwords and addresses: what is accepted, and how they are compared."""

import asyncio

import pytest

from lakehouse.identity.passwords import normal_email, password_fault
from lakehouse.io.identity.passwords import Passwords

PASSWORD = "kuda lumping menari di alun-alun"


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "四面楚歌の中で歌う馬は走るよ今",
        "x7!Kq92#mZp4$Lw",
        "admin becak hijau jembatan",
        "correct horse battery staple",
    ],
)
def test_long_password_of_any_characters_is_accepted(password: str):
    assert password_fault(password, "siti@example.id") is None


def test_password_that_is_the_address_is_refused():
    assert password_fault("sitiaminah sitiaminah 1", "sitiaminah@example.id") == "password_common"


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("P@ssw0rd!P@ssw0rd!", "password_repeats"),
        ("monkey-dragon-sunshine", "password_common"),
        ("Katasandi Rahasia 123", "password_common"),
        ("zxcvbnm,./asdfghjkl", "password_sequence"),
        ("12/11/2026 13/11/2026", "password_sequence"),
        ("a" * 15 + "b" * 900, "password_repeats"),
    ],
)
def test_long_password_that_is_guessed_early_is_refused(password: str, rule: str):
    assert password_fault(password) == rule


def test_password_is_neither_cut_nor_folded():
    async def answers() -> list[bool]:
        passwords = Passwords()
        long = PASSWORD + "é" * 900
        stored = await passwords.hash(long)
        variants = (long, long.replace("é", "e\u0301"), long[:-1], long.upper(), f" {long}")
        return [await passwords.verify(variant, stored) for variant in variants]

    assert asyncio.run(answers()) == [True, True, False, False, False]


def test_hash_has_the_cost_that_the_standard_recommends():
    """RFC 9106, second choice: 64 MiB, 3 passes, 4 lanes."""
    stored = asyncio.run(Passwords().hash(PASSWORD))
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" Siti@Example.ID ", "siti@example.id"),
        ("no address", None),
        ("a@b", None),
        ("a@b..id", None),
        ("a\n@example.id", None),
        ("@example.id", None),
        (f"{'a' * 250}@example.id", None),
    ],
)
def test_address_is_compared_without_case(given: str, stored: str | None):
    assert normal_email(given) == stored
