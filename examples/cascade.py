"""A cascade: a cheap model answers what it is sure of, an expensive one gets the rest.

Naive Bayes sees scikit-learn's digits in 16 coarse pixels, and is far too sure of itself; a support
vector machine sees all 64. A call of the second costs as much as a twentieth of a wrong answer.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

import temperance as tp

X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(X, y, train_size=0.4, random_state=0)


def coarse(x):
    """Images of 8 x 8 pixels as means of 2 x 2 of them."""
    return x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16) / 16


cheap = GaussianNB(var_smoothing=0.01).fit(coarse(X_train), y_train)
expensive = SVC(C=10).fit(X_train, y_train)


def outputs(x):
    """Log-probabilities of the cheap model, scores of the expensive one."""
    return {
        "cheap": cheap.predict_log_proba(coarse(x)),
        "expensive": expensive.decision_function(x),
    }


# Cross-fitted: each row is answered by calibrators and rules that have not seen it.
cascade = tp.decisions.cascade(outputs(X_new), y_new, costs=0.05)
print(cascade.in_words())
print(f"costs are in wrong answers; calibration saves {cascade.worth.value:.4f} per row")
print(f"  ({cascade.worth.low:.4f} to {cascade.worth.high:.4f})")

# The policy as a file, and read back as a service would: which rows go on to the expensive model?
# Here the rows that set it answer again: the file at work, not a measurement.
tp.decisions.save_cascade(cascade.policy, "cascade.json")
policy = tp.decisions.load_cascade("cascade.json")
threshold, temperature = policy.rules[0].threshold, policy.calibrators[0].temperature
print(f"ask again below {threshold:.3f} at temperature {temperature:.2f}")

goes_on = policy.goes_on(cheap.predict_log_proba(coarse(X_new)))
answer = cheap.predict(coarse(X_new))
answer[goes_on] = expensive.predict(X_new[goes_on])
print(f"sent on: {100 * goes_on.mean():.1f} %; accuracy of both {(answer == y_new).mean():.4f}")
print(f"accuracy of cheap alone: {cheap.score(coarse(X_new), y_new):.4f}")
print(f"accuracy of expensive alone: {expensive.score(X_new, y_new):.4f}")

# Accuracy against the cost of asking the expensive model, over all thresholds.
figure = Figure(figsize=(7.2, 5), layout="constrained")
tp.plots.CostDisplay.from_cascade(cascade, ax=figure.subplots())
figure.savefig("cascade.png", bbox_inches="tight")
