"""Temperature fits as users of each package write them: functions of (logits, labels) to T."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Fit = Callable[[np.ndarray, np.ndarray], float]

NOT_INSTALLED = 77


def temperance(engine: str) -> Fit:
    """Ours, with the engine named; that of torch on a tensor, which shares the array's memory."""
    import temperance as tp

    if engine == "numba":
        import numba  # noqa: F401  (its absence is known before the run)
    if engine == "torch":
        import torch

        return lambda z, y: (
            tp.TemperatureScaling.fit(torch.as_tensor(z), y, engine=engine).temperature
        )
    return lambda z, y: tp.TemperatureScaling.fit(z, y, engine=engine).temperature


def scikit_learn() -> Fit:
    """scikit-learn's, which has no public class for bare logits."""
    from sklearn.calibration import _TemperatureScaling

    return lambda z, y: 1.0 / float(_TemperatureScaling().fit(z, y).beta_)


def probmetrics() -> Fit:
    """Probmetrics' bisection, on the tensors that its calibrator takes."""
    import torch
    from probmetrics.calibrators import TemperatureScalingCalibrator
    from probmetrics.distributions import CategoricalLogits

    def fit(z: np.ndarray, y: np.ndarray) -> float:
        found = TemperatureScalingCalibrator()
        found.fit_torch(CategoricalLogits(torch.as_tensor(z)), torch.as_tensor(y))
        return 1.0 / float(found.invtemp_)

    return fit


def netcal() -> Fit:
    """netcal's, on probabilities, as it asks for; its `temperature` is the inverse."""
    from netcal.scaling import TemperatureScaling

    def fit(z: np.ndarray, y: np.ndarray) -> float:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        found = TemperatureScaling()
        found.fit(e / e.sum(axis=1, keepdims=True), y)
        return 1.0 / float(np.ravel(found.temperature)[0])

    return fit


def torch_lbfgs(*, rate: float, steps: int, search: str | None) -> Fit:
    """The loop of gpleiss/temperature_scaling, with its settings or with a line search."""
    import torch

    def fit(z: np.ndarray, y: np.ndarray) -> float:
        logits, labels = torch.as_tensor(z), torch.as_tensor(y)
        temperature = torch.nn.Parameter(torch.full((1,), 1.5, dtype=logits.dtype))
        criterion = torch.nn.CrossEntropyLoss()
        optimiser = torch.optim.LBFGS([temperature], lr=rate, max_iter=steps, line_search_fn=search)

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            loss = criterion(logits / temperature, labels)
            loss.backward()
            return loss

        optimiser.step(closure)
        return float(temperature.detach())

    return fit


FITTERS: dict[str, Callable[[], Fit]] = {
    "temperance, numba": lambda: temperance("numba"),
    "temperance, numpy": lambda: temperance("numpy"),
    "temperance, torch": lambda: temperance("torch"),
    "scikit-learn": scikit_learn,
    "probmetrics": probmetrics,
    "netcal": netcal,
    "torch, L-BFGS with line search": lambda: torch_lbfgs(
        rate=1.0, steps=50, search="strong_wolfe"
    ),
    "torch, the loop of gpleiss": lambda: torch_lbfgs(rate=0.01, steps=50, search=None),
}
PACKAGES = {
    "temperance, numba": "numba",
    "temperance, numpy": "numpy",
    "scikit-learn": "scikit-learn",
    "probmetrics": "probmetrics",
    "netcal": "netcal",
    "torch, L-BFGS with line search": "torch",
}
