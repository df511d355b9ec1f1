"""Medical diagnosis: of the tumours called "85 % malignant", 85 % must be malignant.

A random forest reads the 569 biopsies of scikit-learn's breast cancer data. Its votes are turned
into probabilities that mean what they say, then into three bands: refer, second reading, all clear.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split

import temperance as tp
from temperance.sklearn import CalibratedClassifier

X, target = load_breast_cancer(return_X_y=True)
malignant = (target == 0).astype(int)  # in the data 0 is malignant
forest = RandomForestClassifier(random_state=0)
calibrated = CalibratedClassifier(forest)
folds = StratifiedKFold(5, shuffle=True, random_state=0)

# What each says of tumours that it has not seen. Where no tree votes for "malignant" the forest
# says that it cannot be; calibrated, no vote counts as `floor_`: 100 trees know no more.
votes = cross_val_predict(forest, X, malignant, cv=folds, method="predict_proba")
probs = cross_val_predict(calibrated, X, malignant, cv=folds, method="predict_proba")
impossible = votes[:, 1] == 0
print(
    f"called impossible by all trees: {impossible.sum()} of {len(votes)} tumours, "
    f"of which malignant: {malignant[impossible].sum()}; calibrated, the least probability of "
    f"malignant is {probs[:, 1].min():.5f}"
)
for name, p in {"votes": votes, "calibrated": probs}.items():
    evaluation = tp.evaluate(p, malignant)
    slope = evaluation.weak_calibration.slope
    print(f"{name}: log loss {evaluation.log_loss.value:.3f}; calibration slope (1: right, more: "
          "too unsure)", end=" ")  # fmt: skip
    print("none" if slope is None else f"{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})")

# Is 85 % really 85 %?
for name, p in {"votes": votes[:, 1], "calibrated": probs[:, 1]}.items():
    likely = (p >= 0.7) & (p < 0.97)
    said, are = 100 * p[likely].mean(), 100 * malignant[likely].mean()
    print(
        f"{name}: {likely.sum()} tumours are said to be malignant with {said:.0f} % (70 to 97), "
        f"and {are:.0f} % are ({malignant[likely].sum()})"
    )

# Bands with promises that hold at once; all between them gets a second reading. Two fifths of the
# tumours fit the forest and its temperature, the others set the thresholds.
X_fit, X_new, y_fit, y_new = train_test_split(
    X, malignant, train_size=0.4, stratify=malignant, random_state=0
)
bands = tp.decisions.bands(
    calibrated.fit(X_fit, y_fit).predict_proba(X_new),
    tp.Positions(y_new),
    classes=["benign", "malignant"],
    event="malignant",
    min_precision=0.9,
    max_false_negative_rate=0.05,
)
print(bands.guarantee)
counts = bands.counts
reviewed = counts.n - counts.accepted - counts.rejected
print(
    f"of {counts.n} tumours: refer {counts.accepted}, all clear {counts.rejected}, "
    f"second reading {reviewed}"
)

# Two reliability diagrams of P(malignant): votes of the forest, and calibrated.
figure = Figure(figsize=(9.6, 5.6), layout="constrained")
for axes, (name, p) in zip(
    figure.subplots(1, 2), {"votes": votes, "calibrated": probs}.items(), strict=True
):
    tp.plots.ReliabilityDisplay.from_predictions(
        p, tp.Positions(malignant), classes=["benign", "malignant"], event="malignant", n_bins=8,
        name=name, ax=axes,
    )  # fmt: skip
figure.savefig("medical_diagnosis.png", bbox_inches="tight")
