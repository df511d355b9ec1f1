"""Log a calibrator to MLflow, with its measures and its page, and load it back."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import as_calibrator, temperature_of
from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.export import check_parity, made_rows
from temperance.formats import content_id, load, save
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.export import Parity

__all__ = [
    "GROUP",
    "SCORE",
    "LoggedCalibrator",
    "input_columns",
    "load_calibrator",
    "log_calibrator",
    "output_columns",
    "predicted",
]

_MEASURES = ("log_loss", "brier", "ece", "accuracy")
_FILE = "calibrator.json"
_TOLERANCE = 1e-15  # the same code runs: nothing is rounded
_MODEL = '''"""A calibrator of temperance: columns of logits in, columns of probabilities out."""

import mlflow
import pandas as pd

from temperance.formats import load
from temperance.mlflow.tracking import predicted


class CalibratedModel(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.calibrator = load(context.artifacts["calibrator"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return predicted(self.calibrator, model_input)


mlflow.models.set_model(CalibratedModel())
'''


@dataclass(frozen=True, slots=True)
class LoggedCalibrator:
    """Where a calibrator is in MLflow, and the proof that it gives the same numbers there.

    Attributes
    ----------
    model_uri : str
        What `mlflow.pyfunc.load_model` and `load_calibrator` take.
    run_id : str
        The run that holds the metrics and the report.
    id : str
        Content hash of the map, as in every other place that it is deployed to.
    parity : Parity
        What the model, loaded back, gave beside `apply`.
    """

    model_uri: str
    run_id: str
    id: str
    parity: Parity


def log_calibrator(
    calibrator: Calibrator,
    *,
    name: str = "calibrator",
    comparison: Comparison | None = None,
    report: str | PathLike[str] | None = None,
    registered_model_name: str | None = None,
) -> LoggedCalibrator:
    """Log a calibrator as an MLflow model: code and JSON, no pickle; what was measured beside it.

    The model takes a table with the columns `logit_<class>` in any order (of answers `score`; of a
    temperature per group also `group`), and gives `prob_<class>`. It runs in the active run, or in
    one of its own.

    Parameters
    ----------
    calibrator : Calibrator
        Of one model's logits, of a label matrix, or of answers.
    name : str, default "calibrator"
        Of the model in its run.
    comparison : Comparison, optional
        Of rows that the fit has not seen (`compare`), with evaluations called "before" and
        "after": log loss, Brier score, ECE and accuracy are logged as `after_log_loss`, its
        interval as `after_log_loss_low` and `after_log_loss_high`.
    report : path, optional
        A page of `temperance fit --report`, logged as an artifact; where left out, and there is a
        comparison, the page of that.
    registered_model_name : str, optional
        Register the model under this name.

    Returns
    -------
    LoggedCalibrator
        Its URI, run, id and parity.

    Raises
    ------
    InvalidInputError
        No calibrator, an ensemble, a comparison without "before" and "after", no such report, or
        MLflow cannot log where it is told to.
    MissingDependencyError
        MLflow is not installed.
    ParityError
        The model, loaded back, gives other numbers.

    Examples
    --------
    >>> logged = log_calibrator(calibrator, comparison=comparison)  # doctest: +SKIP
    >>> load_calibrator(logged.model_uri) == calibrator  # doctest: +SKIP
    True
    """
    if as_calibrator(calibrator).traits.members:
        msg = (
            "`calibrator` reads the outputs of several models, and a table holds those of one. "
            "Serve it with `temperance serve`."
        )
        raise InvalidInputError(msg)
    metrics = {} if comparison is None else _metrics(comparison)
    if report is not None and not Path(report).is_file():
        msg = f"`report` must be a file, got {str(report)!r}."
        raise InvalidInputError(msg)
    mlflow = _mlflow()
    id_ = content_id(calibrator)
    with tempfile.TemporaryDirectory() as folder, _run(mlflow) as run_id:
        path, code = Path(folder) / _FILE, Path(folder) / "calibrated_model.py"
        save(calibrator, path)
        code.write_text(_MODEL, encoding="utf-8")
        with _without_advice():
            info = mlflow.pyfunc.log_model(
                name=name,
                python_model=str(code),  # "models from code": nothing is pickled
                artifacts={"calibrator": str(path)},
                signature=_signature(calibrator),
                pip_requirements=[f"temperance=={__version__}", "pandas"],
                metadata={"temperance_id": id_, "method": calibrator.name},
                registered_model_name=registered_model_name,
            )
            model = mlflow.pyfunc.load_model(info.model_uri)
        temperature = temperature_of(calibrator)
        mlflow.log_params({"method": calibrator.name, "calibrator_id": id_})
        mlflow.log_metrics({} if temperature is None else {"temperature": temperature})
        mlflow.log_metrics(metrics)
        page = report if report is not None else _page(comparison, Path(folder))
        if page is not None:
            mlflow.log_artifact(str(page))
        parity = _parity(calibrator, model, mlflow.__version__)
    return LoggedCalibrator(info.model_uri, run_id, id_, parity)


def load_calibrator(model_uri: str) -> Calibrator:
    """Return the calibrator of a logged model, as `load` returns it from its file.

    Parameters
    ----------
    model_uri : str
        Of the model: `models:/m-...`, `models:/name/3`, `runs:/<id>/calibrator`.

    Returns
    -------
    Calibrator
        Equal to the one logged.

    Raises
    ------
    InvalidInputError
        MLflow has no such model, or it holds no calibrator.
    FileFormatError
        The calibrator is of a newer version than this library.
    MissingDependencyError
        MLflow is not installed.
    """
    mlflow = _mlflow()
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = mlflow.artifacts.download_artifacts(model_uri, dst_path=folder)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            msg = f"`model_uri`: {model_uri} cannot be loaded: {error}"
            raise InvalidInputError(msg) from error
        path = Path(model) / "artifacts" / _FILE
        if not path.is_file():
            msg = f"`model_uri`: {model_uri} holds no calibrator, as `log_calibrator` logs one."
            raise InvalidInputError(msg)
        return load(path)


def _metrics(comparison: Comparison) -> dict[str, float]:
    """Return each measure of both sides, and the ends of its 95 % interval."""
    sides = comparison.evaluations
    if not {"before", "after"} <= sides.keys():
        msg = (
            "`comparison` must have evaluations called 'before' and 'after': "
            "compare({'before': p, 'after': q}, labels); it has "
            f"{', '.join(map(repr, sides))}."
        )
        raise InvalidInputError(msg)
    metrics: dict[str, float] = {}
    for side in ("before", "after"):
        for name in _MEASURES:
            estimate = getattr(sides[side], name)
            ends = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
            metrics |= {f"{side}_{name}{end}": float(value) for end, value in ends.items()}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _page(comparison: Comparison | None, folder: Path) -> Path | None:
    from temperance.report import write_comparison  # noqa: PLC0415  (it loads Matplotlib)

    if comparison is None:
        return None
    write_comparison(folder / "report.html", comparison, title="Before and after calibration")
    return folder / "report.html"


def _signature(calibrator: Calibrator) -> Any:  # noqa: ANN401  (MLflow's)
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec  # noqa: PLC0415

    columns, outputs = input_columns(calibrator), output_columns(calibrator)
    if columns is None or outputs is None:
        rows = Schema([TensorSpec(np.dtype(np.float64), (-1, -1))])
        return ModelSignature(rows, rows)
    input_specs: list[Any] = [ColSpec(DataType.double, name) for name in columns]
    if calibrator.traits.groups:
        input_specs.append(ColSpec(DataType.string, GROUP, required=False))
    output_specs: list[Any] = [ColSpec(DataType.double, name) for name in outputs]
    return ModelSignature(Schema(input_specs), Schema(output_specs))


def _parity(calibrator: Calibrator, model: Any, version: str) -> Parity:  # noqa: ANN401
    """Compare the model, loaded back, with `apply`."""
    columns = input_columns(calibrator)
    logits, words = made_rows(3 if columns is None else len(columns), kind=calibrator.kind)
    if calibrator.kind == "answers":
        scores = _example_scores(calibrator, len(logits))
        expected, logits = calibrator.apply(scores)[:, None], scores[:, None]
    else:
        expected = calibrator.apply(logits, refuse_probs=False, dtype=np.float64)
    if columns is None:
        exported = model.predict(logits)
    else:
        import pandas as pd  # noqa: PLC0415  (MLflow brings its tables)

        reversed_ = pd.DataFrame(dict(zip(columns, logits.T, strict=True)))[list(columns)[::-1]]
        exported = model.predict(reversed_).to_numpy()
    return check_parity(
        expected, exported, target=f"MLflow {version}", rows=words, tolerance=_TOLERANCE
    )


def _example_scores(calibrator: Calibrator, n: int) -> np.ndarray:
    """Return scores on the scale of the answers."""
    share = np.linspace(0.01, 0.99, n)
    scale = calibrator.answer_scale
    assert scale is not None  # noqa: S101  (of answers)
    match scale.name:
        case "logprob":
            return np.log(share)
        case "percent":
            return 100.0 * share
        case "count":
            return np.floor(share * ((scale.of or 1) + 1))
        case _:
            return share


@contextmanager
def _run(mlflow: Any) -> Iterator[str]:  # noqa: ANN401  (a module)
    """Return the id of the active run, or of one that ends here."""
    active = mlflow.active_run()
    if active is not None:
        yield active.info.run_id
        return
    try:
        started = mlflow.start_run()
    except mlflow.exceptions.MlflowException as error:
        msg = (
            f"MLflow cannot log to {mlflow.get_tracking_uri()}: {error} Name a server, by "
            "MLFLOW_TRACKING_URI or mlflow.set_tracking_uri(...); a database on this machine "
            "takes the whole package, pip install mlflow."
        )
        raise InvalidInputError(msg) from error
    with started as run:
        yield run.info.run_id


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep MLflow from asking for an example of rows, where the signature says all of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*An input example was not provided")
        yield


def _mlflow() -> Any:  # noqa: ANN401  (a module)
    try:
        import mlflow.pyfunc  # noqa: PLC0415

        import mlflow  # noqa: PLC0415
    except ImportError as error:
        msg, purpose = "mlflow", "Logging a calibrator"
        raise MissingDependencyError(msg, extra="mlflow", purpose=purpose) from error
    return mlflow


GROUP, SCORE, CORRECT = "group", "score", "prob_correct"


def input_columns(calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return the columns of numbers: `logit_<class>`, of answers `score`; None of any width."""
    if calibrator.kind == "answers":
        return (SCORE,)
    names = _classes(calibrator)
    return None if names is None else tuple(f"logit_{name}" for name in names)


def output_columns(calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return the columns of probabilities: `prob_<class>`; None of any width."""
    if calibrator.kind == "answers":
        return (CORRECT,)
    names = _classes(calibrator)
    return None if names is None else tuple(f"prob_{name}" for name in names)


def _classes(calibrator: Calibrator) -> tuple[str, ...] | None:
    if calibrator.classes is not None:
        return calibrator.classes
    k = calibrator.n_classes
    return None if k is None else tuple(str(c) for c in range(k))


def predicted(calibrator: Calibrator, rows: Any) -> Any:  # noqa: ANN401  (a table or an array)
    """Return the calibrated probabilities of a table, as a table; of an array, as an array."""
    columns = input_columns(calibrator)
    if columns is None or not hasattr(rows, "columns"):
        return calibrator.apply(np.asarray(rows), refuse_probs=False, dtype=np.float64)
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        msg = (
            f"The table lacks the column {missing[0]!r}; the model reads {', '.join(columns)}, in "
            "any order."
        )
        raise InvalidInputError(msg)
    scores = rows[list(columns)].to_numpy(dtype=np.float64)
    settings: dict[str, Any] = {}
    if calibrator.traits.groups and GROUP in rows.columns:
        settings["groups"] = rows[GROUP].to_numpy()
    if calibrator.kind == "answers":
        probs = calibrator.apply(scores[:, 0])[:, None]
    else:
        probs = calibrator.apply(scores, refuse_probs=False, dtype=np.float64, **settings)
    table = type(rows)(dict(zip(output_columns(calibrator) or (), probs.T, strict=True)))
    if hasattr(rows, "index"):  # what joins the two goes by it
        table.index = rows.index
    return table
