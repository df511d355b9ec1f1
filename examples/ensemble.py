"""An ensemble: pool the models first, then calibrate the pool.

Four classifiers of scikit-learn's digits, each wrong about how sure it is in its own way. Averaging
makes probabilities less sure, so members that are calibrated before give a pool that is not.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

import temperance as tp

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=0.15, random_state=0)
X_fit, X_test, y_fit, y_test = train_test_split(X_rest, y_rest, train_size=0.5, random_state=0)

models = {
    "forest": RandomForestClassifier(100, random_state=0),
    "logistic": LogisticRegression(C=10, max_iter=1000),
    "naive Bayes": GaussianNB(var_smoothing=1e-2),
    "neighbours": KNeighborsClassifier(15),
}
for model in models.values():
    model.fit(X_train, y_train)


def outputs(x):
    """Logits of every model; a class without a vote counts as 1 in 1,000."""
    return [tp.logits_from_probs(each.predict_proba(x), floor=1e-3) for each in models.values()]


ensemble = tp.Ensemble.fit(outputs(X_fit), y_fit)
print(ensemble)
probs = {
    name: tp.Identity().apply(each) for name, each in zip(models, outputs(X_test), strict=True)
}
probs["pool"] = sum(probs.values()) / len(models)
probs["pool of calibrated"] = sum(
    tp.TemperatureScaling.fit(before, y_fit).apply(after)
    for before, after in zip(outputs(X_fit), outputs(X_test), strict=True)
) / len(models)
probs["pool, then calibrate"] = ensemble.apply(outputs(X_test))
evaluations = tp.compare(probs, y_test).evaluations
for name, each in evaluations.items():
    print(f"{name}: log loss {each.log_loss.value:.3f}, ECE {each.ece.value:.3f}, "
          f"accuracy {each.accuracy.value:.3f}")  # fmt: skip

# Log loss and ECE of four models, their pool, the pool of calibrated ones, the calibrated pool.
figure = Figure(figsize=(9.6, 4), layout="constrained")
left, right = figure.subplots(1, 2, sharey=True)
for axes, measure, title in ((left, "log_loss", "log loss"), (right, "ece", "ECE")):
    for place, each in enumerate(reversed(evaluations.values())):
        estimate = getattr(each, measure)
        axes.plot([estimate.low, estimate.high], [place, place], color="#1a6faf")
        axes.plot(estimate.value, place, "o", color="#1a6faf")
    axes.set_yticks(range(len(evaluations)), list(evaluations)[::-1])
    axes.set(title=f"{title}, with its 95 % interval", xlim=(0, None))
figure.savefig("ensemble.png", bbox_inches="tight")
