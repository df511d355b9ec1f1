"""Perception: an image classifier that hands over what it is unsure of, and what noise does to it.

A small network reads scikit-learn's handwritten digits. A policy answers from a confidence on that
keeps an error rate, and hands the rest over. Then the sensor gets worse, in five levels of noise:
the policy answers less, and from some level on it breaks its promise all the same.
"""

import warnings

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import temperance as tp

images, digits = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(
    images / 16, digits, train_size=0.3, stratify=digits, random_state=0
)
X_cal, X_drive, y_cal, y_drive = train_test_split(
    X_rest, y_rest, train_size=0.6, stratify=y_rest, random_state=0
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # 60 passes are enough to be over-sure
    network = MLPClassifier((64,), alpha=0, max_iter=60, learning_rate_init=0.01, random_state=0)
    network.fit(X_train, y_train)


def logits(x):
    """The network's scores before the softmax, up to a constant per row."""
    return tp.logits_from_probs(network.predict_proba(x))


# On a clear day: 20 % of the labels fit the temperature, the rest set the threshold.
policy = tp.decisions.fit_policy(logits(X_cal), y_cal, max_risk=0.02)
print(policy.calibrator)
print(policy.rule.guarantee)

# The sensor degrades: noise on every pixel. The promise was made for clear days only.
rng = np.random.default_rng(0)
noise = rng.normal(size=X_drive.shape)
rows = []
for level in range(6):
    worse = logits(np.clip(X_drive + 0.08 * level * noise, 0, 1))
    decided = policy.apply(worse)
    wrong = decided.probs.argmax(axis=1) != y_drive
    rows.append(
        (
            decided.accepted.mean(),  # share answered
            wrong[decided.accepted].mean(),  # wrong among the answered
            wrong.mean(),  # wrong without a policy
            decided.probs.max(axis=1).mean(),  # mean confidence
        )
    )
    share, wrong_of_answered, wrong_of_all, _ = rows[-1]
    print(
        f"level {level}: answered {share:.2f}, wrong {wrong_of_answered:.3f}, "
        f"without the policy {wrong_of_all:.3f}"
        + ("; more than promised" if wrong_of_answered > 0.02 else "")
    )

# What the shift report says of the worst level, first without labels, then with them. The page
# itself is written by `temperance shift clear.npz noise.npz --report shift.html`.
print(f"the shift to level 5; here the T of clear days is of all {len(y_cal)} labels:")
for labels in (None, y_drive):
    print(f"{'without' if labels is None else 'with'} labels of level 5:", end=" ")
    print(tp.shift.diagnose(logits(X_cal), y_cal, worse, labels).in_words())

answered, wrong, all_wrong, confidence = np.array(rows).T
# Accuracy, confidence and share answered by level of noise; wrong answers, all and answered.
figure = Figure(figsize=(9.6, 4), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(1 - all_wrong, "o-", color="#1a6faf", label="accuracy")
left.plot(confidence, "s--", color="#b3541e", label="mean confidence, calibrated on clear days")
left.plot(answered, "^:", color="#555555", label="share answered")
left.set(xlabel="level of noise", ylim=(0, 1.02), title="The noisier, the less is answered")
left.legend(loc="lower left")
right.plot(all_wrong, "o-", color="#1a6faf", label="all images")
right.plot(wrong, "^--", color="#b3541e", label="answered images")
right.axhline(0.02, color="#555555", linewidth=1, linestyle=":", label="promised on clear days")
right.set(xlabel="level of noise", ylim=(0, None), title="Share of wrong answers")
right.legend(loc="upper left")
figure.savefig("perception.png", bbox_inches="tight")
