"""Named random numbers: a species is reproducible from its seeds, and has relatives."""

from hashlib import blake2b
from math import exp, log
from typing import Any


class Genes:
    """Uniform numbers by name. The same seeds and name give the same number, in any order.

    `layers` are (seed, share of the shape's, share of the surface's numbers it replaces); names
    that begin with `surface` are the surface's.
    """

    def __init__(self, layers: tuple[tuple[int, float, float], ...], prefix: str = "") -> None:
        self.layers = layers
        self._prefix = prefix

    def under(self, prefix: str) -> "Genes":
        """The genes whose names begin with `prefix`."""
        return Genes(self.layers, f"{self._prefix}{prefix}.")

    def mutated(self, seed: int, shape: float, surface: float) -> "Genes":
        """Genes that differ in these shares of their numbers."""
        return Genes((*self.layers, (seed, shape, surface)), self._prefix)

    def _draw(self, seed: int, name: str) -> float:
        digest = blake2b(f"{seed}:{name}".encode(), digest_size=7).digest()
        return int.from_bytes(digest, "big") / 2**56

    def unit(self, name: str) -> float:
        """A number of 0..1."""
        name = self._prefix + name
        value = self._draw(self.layers[0][0], name)
        for seed, shape, surface in self.layers[1:]:
            share = surface if name.startswith("surface") else shape
            draw = self._draw(seed, "?" + name)
            if draw < share:
                # half of the changes are small ones
                fresh = self._draw(seed, name)
                value = fresh if draw < share / 2 else 0.75 * value + 0.25 * fresh
        return value

    def between(self, name: str, low: float, high: float) -> float:
        """A number of low..high."""
        return low + (high - low) * self.unit(name)

    def scaled(self, name: str, low: float, high: float) -> float:
        """A number of low..high, evenly over its logarithm."""
        return exp(self.between(name, log(low), log(high)))

    def chance(self, name: str, share: float) -> bool:
        """True in this share of the species."""
        return self.unit(name) < share

    def pick(self, name: str, options: dict[Any, float]) -> Any:
        """One of the options, by weight."""
        left = self.unit(name) * sum(options.values())
        for option, weight in options.items():
            left -= weight
            if left < 0:
                return option
        return option

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number of low..high, both included."""
        return min(high, low + int(self.unit(name) * (high - low + 1)))
