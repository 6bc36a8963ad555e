"""Hash and verify passwords by Argon2id, a few at a time: each takes 64 MiB (RFC 9106, second choice)."""

import asyncio
import secrets as random

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from lakehouse.identity.passwords import normal_password

AT_ONCE = 2  # more would not be faster on two cores, and need memory


class Passwords:
    """Argon2id in threads; one per process."""

    def __init__(self, cost: Parameters = RFC_9106_LOW_MEMORY) -> None:
        """`cost` is that of new hashes; a stored one names its own."""
        self._hasher = PasswordHasher.from_parameters(cost)
        self._unknown = self._hasher.hash(random.token_hex(16))
        self._free = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """The hash with its salt and parameters."""
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, normal_password(password))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password belongs to the hash; without a hash no, after the same work."""
        text = normal_password(password)
        async with self._free:
            matches = await asyncio.to_thread(self._verify, text, stored or self._unknown)
        return matches and stored is not None

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
