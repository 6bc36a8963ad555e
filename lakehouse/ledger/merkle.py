"""Merkle trees: leaf = SHA-256(0x00 | body), node = SHA-256(0x01 | left | right); an odd node is promoted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """32 bytes. The prefix keeps a leaf from passing as a node (RFC 6962, 2.1)."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes in their order, 32 bytes; SHA-256 of nothing when there are none."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        above = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = above + level[-1:] if len(level) % 2 else above
    return level[0]


@dataclass
class Frontier:
    """The root of a growing tree in O(log n) memory: the roots of its complete subtrees, largest first."""

    peaks: list[tuple[int, bytes]] = field(default_factory=list)  # (height, hash)

    def add(self, leaf: bytes) -> None:
        """Append a leaf hash."""
        height = 0
        right = leaf
        while self.peaks and self.peaks[-1][0] == height:
            right = node_hash(self.peaks.pop()[1], right)
            height += 1
        self.peaks.append((height, right))

    @property
    def root(self) -> bytes:
        """`merkle_root` of all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        *others, (_, right) = self.peaks
        for _, left in reversed(others):
            right = node_hash(left, right)
        return right
