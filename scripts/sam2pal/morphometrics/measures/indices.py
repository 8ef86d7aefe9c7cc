"""Indices such as `100 * head.width / head.length`: parsed by hand, checked before any work."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sam2pal.io.errors import InputError, nearest
from sam2pal.morphometrics.measures.dictionary import (
    BY_NAME,
    MEASURES,
    SPECIMEN,
    length_units,
)

Name = tuple[str, str]  # structure, measure
Values = Mapping[Name, float | None]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<quoted>\"[^\"]*\"|'[^']*')"
    r"|(?P<name>[^\W\d]\w*)|(?P<symbol>\*\*|[-+*/().]))"
)
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "abs": abs,
}


@dataclass(frozen=True)
class _Node:
    """Part of an expression: how to compute it, and which power of a length it is."""

    compute: Callable[[Values], float]
    exponent: float
    constant: float | None = None


@dataclass(frozen=True)
class Index:
    """A parsed index.

    Attributes:
        name, expression: as configured.
        exponent: power of a length that it is; 0 for a ratio.
        names: the (structure, measure) pairs it uses, in order of appearance.
    """

    name: str
    expression: str
    exponent: float
    names: tuple[Name, ...]
    _root: _Node = field(repr=False)

    @property
    def units(self) -> tuple[str, ...]:
        return length_units(self.exponent) if self.exponent else ("1",)

    def value(self, values: Values) -> float | None:
        """The index in pixels to its power, or None if a measure is missing or it has no value."""
        if any(values.get(name) is None for name in self.names):
            return None
        try:
            result = self._root.compute(values)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        return result if isinstance(result, float | int) and math.isfinite(result) else None


def parse_index(name: str, expression: str, structures: Collection[str]) -> Index:
    """Parse one index.

    Numbers, + - * / **, parentheses, sqrt, log, log10, exp, abs, and structure.measure; names with
    other signs than letters, digits and _ in quotes: `"fore wing".length`. The whole specimen is
    `specimen`.

    Raises:
        InputError: not understood, an unknown structure or measure (with the nearest right one), or
            quantities that cannot be combined, such as a length plus an area.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise InputError(f"index '{name}': expected an expression, found {expression!r}")
    parser = _Parser(name, expression, structures)
    root = parser.whole()
    if not parser.names:
        raise InputError(f"index '{name}': '{expression}' uses no measure")
    return Index(name, expression, root.exponent, tuple(parser.names), root)


class _Parser:
    def __init__(self, name: str, text: str, structures: Collection[str]) -> None:
        self._where = f"index '{name}' ({text})"
        self._structures = [*structures, SPECIMEN]
        self._tokens: list[tuple[str, str, int]] = []
        self.names: dict[Name, None] = {}
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                hint = "; a power is written **" if text[at:].lstrip()[:1] == "^" else ""
                raise self._error(f"'{text[at:].lstrip()[:1]}' at character {at + 1}{hint}")
            kind = str(match.lastgroup)
            self._tokens.append((kind, match[kind], match.start(kind) + 1))
            at = match.end()
        self._tokens.append(("end", "", len(text) + 1))
        self._at = 0

    def _error(self, what: str) -> InputError:
        return InputError(f"{self._where}: not understood: {what}")

    def _peek(self, *symbols: str) -> bool:
        kind, text, _ = self._tokens[self._at]
        return kind == "symbol" and text in symbols

    def _next(self) -> tuple[str, str, int]:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, symbol: str) -> None:
        kind, text, at = self._next()
        if kind != "symbol" or text != symbol:
            found = f"'{text}'" if text else "the end"
            raise self._error(f"expected '{symbol}' at character {at}, found {found}")

    def whole(self) -> _Node:
        try:
            node = self._sum()
        except RecursionError:
            raise self._error("too many parentheses") from None
        kind, text, at = self._tokens[self._at]
        if kind != "end":
            raise self._error(f"'{text}' at character {at}")
        return node

    def _sum(self) -> _Node:
        left = self._product()
        while self._peek("+", "-"):
            sign = -1.0 if self._next()[1] == "-" else 1.0
            right = self._product()
            if left.exponent != right.exponent:
                raise InputError(
                    f"{self._where}: {_kind(left.exponent)} and {_kind(right.exponent)} cannot be "
                    "added or subtracted"
                )
            left = _combine(left, right, lambda a, b, sign=sign: a + sign * b, left.exponent)
        return left

    def _product(self) -> _Node:
        left = self._signed()
        while self._peek("*", "/"):
            if self._next()[1] == "*":
                right = self._signed()
                left = _combine(left, right, lambda a, b: a * b, left.exponent + right.exponent)
            else:
                right = self._signed()
                left = _combine(left, right, lambda a, b: a / b, left.exponent - right.exponent)
        return left

    def _signed(self) -> _Node:
        if self._peek("-", "+"):
            sign = -1.0 if self._next()[1] == "-" else 1.0
            node = self._signed()
            return _Node(
                lambda values: sign * node.compute(values),
                node.exponent,
                None if node.constant is None else sign * node.constant,
            )
        return self._power()

    def _power(self) -> _Node:
        base = self._atom()
        if not self._peek("**"):
            return base
        self._next()
        power = self._signed()
        if power.exponent:
            raise InputError(f"{self._where}: an exponent must be a plain number or a ratio")
        if base.exponent and power.constant is None:
            raise InputError(
                f"{self._where}: {_kind(base.exponent)} can be raised to a plain number only"
            )
        exponent = base.exponent * (power.constant or 0.0) if base.exponent else 0.0
        return _combine(base, power, lambda a, b: math.pow(a, b), round(exponent, 9))

    def _atom(self) -> _Node:
        kind, text, at = self._next()
        if kind == "number":
            value = float(text)
            return _Node(lambda values: value, 0.0, value)
        if kind == "symbol" and text == "(":
            node = self._sum()
            self._expect(")")
            return node
        if kind == "name" and self._peek("("):
            return self._call(text)
        if kind in ("name", "quoted"):
            return self._measure(text.strip("\"'") if kind == "quoted" else text)
        raise self._error(f"'{text}' at character {at}" if text else "it ends too early")

    def _call(self, function: str) -> _Node:
        if function not in _FUNCTIONS:
            raise InputError(
                f"{self._where}: unknown function '{function}'{nearest(function, _FUNCTIONS)}; "
                f"known: {', '.join(_FUNCTIONS)}"
            )
        self._expect("(")
        node = self._sum()
        self._expect(")")
        exponent = node.exponent
        if function == "sqrt":
            exponent /= 2
        elif function != "abs" and exponent:
            raise InputError(
                f"{self._where}: {function} of {_kind(exponent)} depends on the unit; divide it by "
                "another one first"
            )
        apply = _FUNCTIONS[function]
        constant = None if node.constant is None else _safely(apply, node.constant)
        return _Node(lambda values: apply(node.compute(values)), exponent, constant)

    def _measure(self, structure: str) -> _Node:
        if not self._peek("."):
            raise self._error(
                f"'{structure}' alone; write a measure of a structure, such as {structure}.length"
            )
        self._next()
        kind, measure, _ = self._next()
        if kind != "name":
            raise self._error(f"expected the name of a measure after '{structure}.'")
        if structure not in self._structures:
            raise InputError(
                f"{self._where}: unknown structure '{structure}'"
                f"{nearest(structure, self._structures)}; known: {', '.join(self._structures)}"
            )
        known = [m.name for m in MEASURES if structure != SPECIMEN or m.specimen]
        if measure not in known:
            raise InputError(
                f"{self._where}: unknown measure '{measure}' of '{structure}'"
                f"{nearest(measure, known)}; known: {', '.join(known)}"
            )
        key = (structure, measure)
        self.names[key] = None
        return _Node(lambda values: float(values[key]), float(BY_NAME[measure].exponent))  # type: ignore[arg-type]


def _combine(
    left: _Node, right: _Node, operation: Callable[[float, float], float], exponent: float
) -> _Node:
    constant = None
    if left.constant is not None and right.constant is not None:
        constant = _safely(operation, left.constant, right.constant)
    return _Node(
        lambda values: operation(left.compute(values), right.compute(values)), exponent, constant
    )


def _safely(operation: Callable[..., float], *values: float) -> float | None:
    try:
        return operation(*values)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None


def _kind(exponent: float) -> str:
    return {0.0: "a plain number", 1.0: "a length", 2.0: "an area"}.get(
        exponent, f"a quantity in mm^{exponent:g}"
    )
