"""Every command and function that draws something takes the seed of it."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.metrics.estimates import Estimate

RNG = np.random.default_rng(1)
Z = 3 * RNG.normal(size=(240, 3))
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)


def of_transfer(seed):
    found = tp.shift.diagnose(Z[:120], Y[:120], 2 * Z[120:], Y[120:], n_resamples=100, seed=seed)
    return found.to_dict()


def test_the_seed_of_a_transfer():
    """The same seed gives the same numbers; another one other folds and resamples."""
    first, again, other = of_transfer(0), of_transfer(0), of_transfer(1)
    assert first == again
    assert first["comparison"]["differences"] != other["comparison"]["differences"]
    assert first["covariates"]["auc"] != other["covariates"]["auc"]
    assert first["reference"] == other["reference"]
    with pytest.raises(tp.InvalidInputError, match="`seed` must be a whole number >= 0"):
        of_transfer(-1)


def test_the_seed_of_commands(run, tmp_path):
    """Of the folds of a cascade and of a shift, in the command as in Python."""
    np.savez(tmp_path / "a.npz", logits=Z, labels=Y)
    np.savez(tmp_path / "b.npz", logits=2 * Z + RNG.normal(size=Z.shape), labels=Y)
    for command in ("cascade a.npz b.npz --cost 0.05", "shift a.npz b.npz --quick"):
        told = [
            json.loads(run(*command.split(), "--json", *seed).stdout)
            for seed in ((), ("--seed", "0"), ("--seed", "5"))
        ]
        assert told[0] == told[1]
        assert told[0] != told[2]


def test_the_same_rows_are_not_told_apart():
    """An area of 0.5 that a sum over rows makes 0.5000000000000001 is 0.5."""
    found = tp.shift.covariate_weights([[1.0]] * 30, [[1.0]] * 30)
    assert not found.told_apart
    rounded = Estimate(0.5000000000000001, 0.5000000000000001, 0.5000000000000001)
    by_rounding = tp.shift.CovariateWeights(
        weights=found.weights, auc=rounded, effective_rows=30.0, n_source=30, n_target=30,
        clip=5.0, clipped=0,
    )  # fmt: skip
    assert not by_rounding.told_apart
