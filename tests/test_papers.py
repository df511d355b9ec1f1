"""Published tables, reproduced to the printed digits."""

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.crossfit import cross_fit

# Ferrer and Ramos (TMLR 2025), Table 2: log loss / entropy of the class frequencies; ECE in %
TABLE_2 = [
    ("sst2_gpt2", "0.917", "0.858", "20.0"),
    ("agnews_gpt2", "0.814", "0.797", "18.4"),
    ("adrenalmnist_resnet50", "0.931", "0.779", "11.1"),
    ("cifar10_resnet20", "0.122", "0.101", "3.9"),
    ("cifar100_resnet20", "0.266", "0.244", "10.3"),
]


def out_of_fold(method, z, y):
    def fit(weights):
        fitted = tp.METHODS[method].fit(z, y, weights=weights)
        return lambda held_out: fitted.apply(z[held_out])

    return cross_fit(fit, y)


@pytest.mark.parametrize(("name", "raw", "cross_fitted", "ece"), TABLE_2)
def test_ferrer_and_ramos_table_2(name, raw, cross_fitted, ece):
    """Raw and cross-validated temperature columns, and the ECE, of Table 2."""
    data = reference.shared(name)
    z, y = data["logits"], data["labels"].astype(int)
    frequency = np.bincount(y) / len(y)
    entropy = -(frequency * np.log(frequency)).sum()
    before = reference.softmax(z.astype(float))
    after = out_of_fold("temperature", z, y)
    assert f"{tp.metrics.log_loss(before, y) / entropy:.3f}" == raw
    assert f"{tp.metrics.log_loss(after, y) / entropy:.3f}" == cross_fitted
    assert f"{100 * tp.metrics.expected_calibration_error(before, y):.1f}" == ece
