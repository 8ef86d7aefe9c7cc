"""Indices such as `100 * head.width / head.length`: checked before any work, never run as Python."""

import ast
import keyword
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest
from sam2pal.morphometrics.measures.dictionary import BY_NAME, MEASURES, SPECIMEN, length_units

Name = tuple[str, str]  # structure, measure
Values = Mapping[Name, float | None]

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "abs": abs,
}
LONGEST = 2000  # characters of an expression
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}


@dataclass(frozen=True)
class Index:
    """A parsed index.

    Attributes:
        exponent: power of a length that it is; 0 for a ratio.
        names: the (structure, measure) pairs it uses, in order of appearance.
    """

    name: str
    expression: str
    exponent: float
    names: tuple[Name, ...]
    _root: ast.expr = field(repr=False)

    @property
    def units(self) -> tuple[str, ...]:
        return length_units(self.exponent) if self.exponent else ("1",)

    def value(self, values: Values) -> float | None:
        """The index in pixels to its power, or None if a measure is missing or it has no value."""
        if any(values.get(name) is None for name in self.names):
            return None
        return _value(self._root, values)


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
    if len(expression) > LONGEST:
        raise InputError(
            f"index '{name}': {len(expression):,} characters are more than {LONGEST:,}; shorten it"
        )
    check = _Check(name, expression, structures)
    root, exponent = check.parsed()
    if not check.names:
        raise InputError(f"index '{name}': '{expression}' uses no measure")
    return Index(name, expression, exponent, tuple(check.names), root)


class _Check:
    """Whether an expression holds only what an index may hold, and which power of a length it is."""

    def __init__(self, name: str, expression: str, structures: Collection[str]) -> None:
        self._where = f"index '{name}' ({expression})"
        self._text = " ".join(expression.splitlines()).strip()
        self._structures = [*structures, SPECIMEN]
        self.names: dict[Name, None] = {}

    def parsed(self) -> tuple[ast.expr, float]:
        """The expression and its power of a length."""
        try:
            root = ast.parse(self._text, mode="eval").body
            return root, self._exponent(root)
        except SyntaxError as error:
            raise self._error(self._explained(error)) from None
        except (RecursionError, MemoryError):
            raise self._error("too many parentheses or terms") from None

    def _error(self, what: str) -> InputError:
        return InputError(f"{self._where}: not understood: {what}")

    def _explained(self, error: SyntaxError) -> str:
        if "nested" in error.msg:
            return "too many parentheses"
        if "'(' was never closed" in error.msg:
            return f"expected ')' at character {len(self._text) + 1}, found the end"
        at, end = error.offset or 0, error.end_offset or 0
        if self._text.endswith("."):
            return f"expected the name of a measure after '{self._text.split()[-1]}'"
        if not 0 < at <= len(self._text):
            return "it ends too early"
        found = self._text[at - 1 : max(end - 1, at)]
        hint = f'; write it in quotes: "{found}"' if keyword.iskeyword(found) else ""
        return f"'{found}' at character {at}{hint}"

    def _unknown(self, node: ast.expr, hint: str = "") -> InputError:
        at = len(self._text.encode()[: node.col_offset].decode()) + 1
        return self._error(f"'{ast.get_source_segment(self._text, node)}' at character {at}{hint}")

    def _exponent(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return 0.0
            case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
                return self._exponent(node.operand)
            case ast.BinOp():
                return self._combined(node)
            case ast.Call(func=ast.Name()):
                return self._called(node)
            case ast.Attribute(value=ast.Name() | ast.Constant(value=str())):
                return self._measure(*_key(node))
            case ast.Name() | ast.Constant(value=str()):
                name = node.id if isinstance(node, ast.Name) else node.value
                raise self._error(
                    f"'{name}' alone; write a measure of a structure, such as {name}.length"
                )
            case ast.Attribute(value=inner) | ast.Call(func=inner):
                self._exponent(inner)  # says what is wrong inside
        raise self._unknown(node)

    def _combined(self, node: ast.BinOp) -> float:
        if type(node.op) not in _OPERATIONS:
            hint = "; a power is written **" if isinstance(node.op, ast.BitXor) else ""
            raise self._unknown(node, hint)
        left, right = self._exponent(node.left), self._exponent(node.right)
        match node.op:
            case ast.Mult():
                return left + right
            case ast.Div():
                return left - right
            case ast.Pow():
                return self._raised(node, left, right)
        if left != right:
            raise InputError(
                f"{self._where}: {_kind(left)} and {_kind(right)} cannot be added or subtracted"
            )
        return left

    def _raised(self, node: ast.BinOp, base: float, power: float) -> float:
        if power:
            raise InputError(f"{self._where}: an exponent must be a plain number or a ratio")
        if not base:
            return 0.0
        measured = any(isinstance(part, ast.Attribute) for part in ast.walk(node.right))
        number = None if measured else _value(node.right, {})
        if number is None:
            raise InputError(f"{self._where}: {_kind(base)} can be raised to a plain number only")
        return round(base * number, 9)

    def _called(self, node: ast.Call) -> float:
        function = node.func.id  # type: ignore[attr-defined]
        if function not in _FUNCTIONS:
            raise InputError(
                f"{self._where}: unknown function '{function}'{nearest(function, _FUNCTIONS)}; "
                f"known: {', '.join(_FUNCTIONS)}"
            )
        if len(node.args) != 1 or node.keywords:
            raise self._error(f"{function} takes one value, in parentheses")
        exponent = self._exponent(node.args[0])
        if function == "sqrt":
            return exponent / 2
        if function != "abs" and exponent:
            raise InputError(
                f"{self._where}: {function} of {_kind(exponent)} depends on the unit; divide it by "
                "another one first"
            )
        return exponent

    def _measure(self, structure: str, measure: str) -> float:
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
        self.names[structure, measure] = None
        return float(BY_NAME[measure].exponent)


def _key(node: ast.Attribute) -> Name:
    """Structure and measure."""
    of = node.value
    return str(of.id if isinstance(of, ast.Name) else of.value), node.attr  # type: ignore[attr-defined]


def _value(root: ast.expr, values: Values) -> float | None:
    """The value of a checked expression, or None if it has none, such as a division by zero."""

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant():
                return float(node.value)  # type: ignore[arg-type]
            case ast.UnaryOp():
                return (
                    -value(node.operand) if isinstance(node.op, ast.USub) else value(node.operand)
                )
            case ast.BinOp():
                return _OPERATIONS[type(node.op)](value(node.left), value(node.right))
            case ast.Call():
                return _FUNCTIONS[node.func.id](value(node.args[0]))  # type: ignore[attr-defined]
        return float(values[_key(node)])  # type: ignore[arg-type]

    try:
        result = value(root)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def _kind(exponent: float) -> str:
    return {0.0: "a plain number", 1.0: "a length", 2.0: "an area"}.get(
        exponent, f"a quantity in mm^{exponent:g}"
    )
