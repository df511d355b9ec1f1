"""Labelled rows that need no file: naive Bayes on handwritten digits, in NumPy alone.

`digits.npz` holds the 1,797 images of 8 x 8 pixels, 0 to 16 each, and their digits: the test set of
E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998 (doi:10.24432/C50P49, CC BY 4.0).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from temperance.rows.memory import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["digit_images", "digit_rows", "joint_log_probs"]

_FILE = Path(__file__).with_name("digits.npz")


def digit_rows() -> tuple[Rows, Rows]:
    """Return calibration and test rows of a classifier trained on a third set of images.

    Naive Bayes takes the pixels for independent, counts the same evidence many times over, and is
    far too sure of itself.

    Returns
    -------
    tuple of Rows
        599 rows each, of 10 classes: joint log-probabilities, which are logits.
    """
    images, labels = digit_images()
    third = np.random.default_rng(0).permutation(len(labels)) % 3
    joints = joint_log_probs(images[third == 0], labels[third == 0], images)
    parts = {"calibration": third == 1, "test": third == 2}
    sets = [_rows(joints[part], labels[part], name) for name, part in parts.items()]
    return sets[0], sets[1]


def digit_images() -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the pixels, (1797, 64) of 0 to 16, and the digits, (1797,)."""
    with np.load(_FILE, allow_pickle=False) as stored:
        return stored["images"].astype(np.float64), stored["labels"].astype(np.intp)


def joint_log_probs(
    counts: NDArray[np.float64], labels: NDArray[np.intp], new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log P(x, class) of `new` rows, (n, k), by multinomial naive Bayes.

    log P(class) + sum over j of x_j log theta(class, j), where theta is (N + 1) / (sum of N + d):
    N(class, j) are the counts of feature j in the class, d is the number of features (Manning,
    Raghavan and Schuetze, Introduction to Information Retrieval, 2008, section 13.2).

    Parameters
    ----------
    counts : ndarray, shape (m, d)
        Features of the training rows, each 0 or larger.
    labels : ndarray of int, shape (m,)
        Their classes, 0 to k - 1, each at least once.
    new : ndarray, shape (n, d)
        Features of the rows to be scored.

    Examples
    --------
    One word in each class, and a new row with one of the first: 1/2 of either class, times 2/3 or
    1/3.

    >>> joint = joint_log_probs(np.eye(2), np.array([0, 1]), np.array([[1.0, 0.0]]))
    >>> np.exp(joint).round(4).tolist()
    [[0.3333, 0.1667]]
    """
    members = labels[:, np.newaxis] == np.arange(labels.max() + 1)
    smoothed = members.T.astype(np.float64) @ counts + 1.0
    features = np.log(smoothed) - np.log(smoothed.sum(axis=1, keepdims=True))
    return np.asarray(new @ features.T + np.log(members.mean(axis=0)))


def _rows(logits: NDArray[np.float64], labels: NDArray[np.intp], name: str) -> Rows:
    return Rows(
        logits=logits,
        labels=labels,
        weights=None,
        groups=None,
        clusters=None,
        ids=None,
        classes=tuple("0123456789"),
        kind="logits",
        source=f"digits, {name} third",
        sha256=hashlib.sha256(logits.tobytes() + labels.tobytes()).hexdigest(),
    )
