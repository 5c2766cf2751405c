"""Random streams: one generator per seed, purpose and name, so that no use of randomness disturbs another."""

from __future__ import annotations

from hashlib import blake2b

from torch import Generator


def random_stream(seed: int, purpose: str, name: str = "") -> Generator:
    """Return a CPU generator that depends on these three alone."""
    digest = blake2b(f"{seed}/{purpose}/{name}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
