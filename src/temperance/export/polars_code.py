"""A calibrator as polars code: a frame with columns of logits in, columns of probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.export.columns import ColumnMap
from temperance.export.language import Language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.calibrators import Calibrator
    from temperance.export.parity import Parity

__all__ = ["PolarsCode", "PolarsFunction", "to_polars"]


class PolarsCode(Language):
    """Polars expressions as Python, in layers: each adds columns, which the next one reads."""

    def column(self, name: str) -> str:
        """Return the column in double precision, null where it is nan."""
        return f"pl.col({name!r}).cast(pl.Float64).fill_nan(None)"

    def number(self, value: float) -> str:
        """Return a literal."""
        return f"pl.lit({float(value)!r})"

    def call(self, name: str, *values: str) -> str:
        """Return a function of expressions."""
        joined = ", ".join(values)
        match name:
            case "greatest":
                return f"pl.max_horizontal({joined})"
            case "least":
                return f"pl.min_horizontal({joined})"
            case "exp":
                return f"({joined}).exp()"
            case _:
                return f"({joined}).log()"

    def binary(self, left: str, sign: str, right: str) -> str:
        """Return both in brackets."""
        return f"({left} {sign} {right})"

    def first_of(self, cases: Sequence[tuple[str, str, float, str]], otherwise: str) -> str:
        """Return a chain of when and then; null where x is."""
        chain = f"pl.when(({cases[0][0]}).is_null()).then(None)"
        whens = [f".when({x} {sign} {number!r}).then({value})" for x, sign, number, value in cases]
        return f"{chain}{''.join(whens)}.otherwise({otherwise})"

    def nothing(self) -> str:
        """Return null."""
        return "None"

    def at_least(self, x: str, least: float) -> str:
        """Return x, not below a number; null stays."""
        return f"({x}).clip(lower_bound={least!r})"

    def of_name(self, column: str, values: dict[str, float], otherwise: float) -> str:
        """Return a look-up."""
        names, numbers = list(values), list(values.values())
        return (
            f"pl.col({column!r}).cast(pl.String).replace_strict({names!r}, {numbers!r}, "
            f"default={otherwise!r}, return_dtype=pl.Float64)"
        )

    def reference(self, name: str) -> str:
        """Return a column that an earlier layer has added."""
        return f"pl.col({name!r})"

    def code(self, outputs: dict[str, str]) -> str:
        """Return a module with the function `calibrated`."""
        inner = [name for layer in self.layers for name in layer]
        lines = []
        for layer in (*self.layers, outputs):
            each = "".join(f"\n        ({text}).alias({n!r})," for n, text in layer.items())
            lines.append(f"    frame = frame.with_columns({each}\n    )")
        body = "\n".join(lines)
        return _MODULE.format(body=body, inner=inner)


_MODULE = '''import polars as pl


def calibrated(frame):
    """Return the frame (eager or lazy) with the calibrated probability of each class."""
{body}
    return frame.drop({inner!r})
'''


@dataclass(frozen=True, slots=True)
class PolarsFunction:
    """A function that adds the calibrated probabilities to a frame, and the proof.

    Attributes
    ----------
    code : str
        A Python module that needs nothing but polars, with the function `calibrated`.
    columns, outputs : tuple of str
        The columns that it reads, and those that it adds, in the order of the classes.
    parity : Parity
        What running it gave beside `apply`.
    """

    code: str
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    parity: Parity

    @property
    def script(self) -> str:
        """What a file of it holds."""
        return self.code

    def __call__(self, frame: Any) -> Any:  # noqa: ANN401  (a DataFrame or a LazyFrame)
        """Return the frame with the columns of `outputs`."""
        return _function(self.code)(frame)

    def __str__(self) -> str:
        return self.code


def to_polars(
    calibrator: Calibrator,
    *,
    columns: Sequence[str] | None = None,
    inputs: str = "logits",
    group_column: str | None = None,
    verify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    rows: str | None = None,
) -> PolarsFunction:
    """Return the calibrator as a function of a polars frame, once it gives the calibrated numbers.

    `frame.pipe(to_polars(calibrator))` adds the columns `prob_<class>` to a DataFrame or a
    LazyFrame. Rows with null, nan or infinity among their logits are as in `to_sql`.

    Parameters
    ----------
    calibrator : Calibrator
        Of logits or of a label matrix; all methods but ensembles, up to 20,000 numbers.
    columns, inputs, group_column, verify, groups, rows
        As in `to_sql`.

    Returns
    -------
    PolarsFunction
        Probabilities differ by at most 1e-12.

    Raises
    ------
    InvalidInputError
        An ensemble, a calibrator of answers, columns that are not one per class, a map with too
        many numbers, rows that are no logits.
    MissingDependencyError
        Polars is not installed.
    ParityError
        The function gives other numbers.

    Examples
    --------
    >>> import polars as pl  # doctest: +SKIP
    >>> frame = pl.DataFrame({"score": [0.0, 2.0]})  # doctest: +SKIP
    >>> frame.pipe(to_polars(PlattScaling(0.5, 0.0), columns=["score"]))  # doctest: +SKIP
    """
    as_word(inputs, ["logits", "probs"], name="inputs")
    pl = _polars()
    map_ = ColumnMap.of(calibrator, columns, inputs=inputs, group_column=group_column)
    for name in (*map_.columns, group_column or "group"):
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            msg = f"`columns` (--columns): polars reads {name!r} as a pattern. Rename the column."
            raise InvalidInputError(msg)
    language = PolarsCode()
    code = language.code(map_.expressions(language))
    proof = map_.proof(verify, groups=groups, words=rows)
    frame = pl.DataFrame(proof.table())
    calibrated = _function(code)(frame.lazy()).collect()
    parity = proof.check(
        calibrated.select(map_.outputs).to_numpy(), target=f"polars {pl.__version__}",
    )  # fmt: skip
    return PolarsFunction(code, map_.columns, map_.outputs, parity)


def _function(code: str) -> Any:  # noqa: ANN401  (a function)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (written above; what is handed out is what is run)
    return names["calibrated"]


def _polars() -> Any:  # noqa: ANN401  (a module)
    try:
        import polars  # noqa: PLC0415, ICN001
    except ImportError as error:
        msg, purpose = "polars", "Writing polars code"
        raise MissingDependencyError(msg, extra="polars", purpose=purpose) from error
    return polars
