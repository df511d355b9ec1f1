"""The digits and the naive Bayes of the demo are those of scikit-learn, which they do not need."""

import subprocess
import sys

import numpy as np
import pytest

from temperance.rows.digits import digit_images, digit_rows, joint_log_probs

WITHOUT = """
import sys
sys.modules["sklearn"] = None
from temperance.rows.digits import digit_rows
print([len(rows.logits) for rows in digit_rows()])
"""


def test_the_images_are_those_of_scikit_learn():
    """All pixels and digits, in its order."""
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = digit_images()
    expected = datasets.load_digits(return_X_y=True)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(labels, expected[1])


def test_naive_bayes_is_that_of_scikit_learn():
    """Joint log-probabilities of images that it was not trained on."""
    naive_bayes = pytest.importorskip("sklearn.naive_bayes")
    images, labels = digit_images()
    model = naive_bayes.MultinomialNB().fit(images[:600], labels[:600])
    expected = model.predict_joint_log_proba(images[600:])
    ours = joint_log_probs(images[:600], labels[:600], images[600:])
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_naive_bayes_is_its_formula():
    """Class by class and pixel by pixel, of a few images."""
    images, labels = digit_images()
    joint = joint_log_probs(images[:100], labels[:100], images[100:103])
    for i, image in enumerate(images[100:103]):
        for digit in range(10):
            of_class = [each for each, label in zip(images, labels[:100]) if label == digit]  # noqa: B905
            counts = [1 + sum(row[j] for row in of_class) for j in range(64)]
            log_prob = np.log(len(of_class) / 100)
            for j in range(64):
                log_prob += image[j] * np.log(counts[j] / sum(counts))
            assert joint[i, digit] == pytest.approx(log_prob, rel=1e-12)


def test_the_thirds_share_no_image():
    """What the temperature is fitted on and what it is tested on are different rows."""
    calibration, test = digit_rows()
    assert len(calibration.logits) == len(test.logits) == 599
    assert not set(map(bytes, calibration.logits)) & set(map(bytes, test.logits))


def test_no_extra_is_needed():
    """Where scikit-learn cannot be imported the rows are the same number."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[599, 599]"
