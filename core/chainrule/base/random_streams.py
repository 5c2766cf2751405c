"""Random streams: a generator per seed, purpose and name, so that draws for one purpose never shift another's."""

from __future__ import annotations

from hashlib import blake2b

from torch import Generator

from chainrule.arguments import integer, shown
from chainrule.calls import explained
from chainrule.errors import ChainruleError


@explained
def random_stream(seed: int, purpose: str, name: str = "") -> Generator:
    """Return a CPU generator seeded from these three alone."""
    return Generator().manual_seed(stream_seed(seed, purpose, name))


def stream_seed(seed: int, purpose: str, name: str = "") -> int:
    """Return the seed of such a generator, for one that is seeded anew many times."""
    seed = integer("random_stream", "seed", seed)
    for what, text in (("purpose", purpose), ("name", name)):
        if not isinstance(text, str):
            raise ChainruleError(f"random_stream: {what} must be text, got {shown(text)}. Pass str(…) of it.")
    digest = blake2b(f"{seed}/{purpose}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
