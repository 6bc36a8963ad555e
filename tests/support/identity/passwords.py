"""Passwords at the lowest cost; only tests of the hash itself need the full one (0.13 s of CPU each)."""

from argon2.profiles import CHEAPEST

from lakehouse.io.identity.passwords import Passwords


def quick_passwords() -> Passwords:
    return Passwords(CHEAPEST)
