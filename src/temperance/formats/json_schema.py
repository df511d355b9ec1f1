"""The JSON Schema of the files that this library writes: what other programs may rely on.

The readers of these files check more: that numbers fit together, that a promise follows from its
counts.
"""

from __future__ import annotations

from typing import Any, Literal

from temperance.checks.arguments import as_word

__all__ = ["schema"]

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: Literal["calibrator", "policy", "cascade"]) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a file that this library writes.

    Parameters
    ----------
    name : {"calibrator", "policy", "cascade"}
        Of `calibrator.json` (format version 1), of `policy.json` (versions 2, of thresholds, and
        3, of bands) or of `cascade.json` (version 1).

    Returns
    -------
    dict
        JSON-ready; it needs no other schema.

    Raises
    ------
    InvalidInputError
        Another name.

    Examples
    --------
    >>> schema("calibrator")["properties"]["format"]
    {'const': 'temperance/calibrator'}
    """
    makers = {"calibrator": _calibrator, "policy": _policy, "cascade": _cascade}
    return {"$schema": _DRAFT, **makers[as_word(name, list(makers), name="name")]()}


def _number(words: str = "", **limits: float) -> Schema:
    return {"type": "number", **limits, **({"description": words} if words else {})}


def _numbers(words: str, each: Schema | None = None, *, least: int = 1) -> Schema:
    return {
        "type": "array", "items": each or {"type": "number"}, "minItems": least,
        "description": words,
    }  # fmt: skip


def _by_name(words: str, each: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "additionalProperties": each or {"type": "number"},
        "description": words,
    }


def _names(words: str) -> Schema:
    return {"type": "array", "items": {"type": "string"}, "description": words}


def _closed(
    properties: dict[str, Schema], *, optional: tuple[str, ...] = (), words: str = ""
) -> Schema:
    """An object with these keys and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        **({"description": words} if words else {}),
    }


_TEMPERATURE = _number("logits are divided by it", exclusiveMinimum=0)
_SHARE = _number(minimum=0, maximum=1)
_SMOOTHING = _number(
    "share s of the uniform distribution over a row's options: (1 - s) p + s / k",
    minimum=0, exclusiveMaximum=1,
)  # fmt: skip
_BIAS = _numbers("added to the logit of each class, in the order of `input.classes`", least=2)
_END = {"type": ["number", "null"]}
_INTERVALS = _by_name("95 %", _closed({"low": _END, "high": _END}, optional=("low", "high")))
_CURVE = _closed(
    {
        "log_odds": _numbers("knots, rising"),
        "probability": _numbers(
            "at each knot, not falling", _number(exclusiveMinimum=0, exclusiveMaximum=1)
        ),
    },
    words="a line through knots, constant beyond the first and the last",
)
_BASE = {"base_temperature": _TEMPERATURE, "smoothing": _SMOOTHING}

# Method -> keys of `parameters`, those that may lack, and the map. z are logits, o = z1 - z0.
_METHODS: dict[str, tuple[dict[str, Schema], tuple[str, ...], str]] = {
    "identity": ({}, (), "softmax(z)"),
    "temperature": (
        {"temperature": _TEMPERATURE, "smoothing": _SMOOTHING}, ("smoothing",),
        "(1 - smoothing) softmax(z / temperature) + smoothing / k",
    ),
    "bias-corrected-temperature": (
        {"temperature": _TEMPERATURE, "bias": _BIAS}, (), "softmax(z / temperature + bias)",
    ),
    "group-temperature": (
        {
            "temperature": _TEMPERATURE,
            "temperatures": _by_name("of each group", _TEMPERATURE),
            "small_groups": _names("groups of too few rows, which have the common temperature"),
            "spread": _number("of log temperature between groups", minimum=0),
        },
        (), "softmax(z / temperatures[group]); a group that is not there has `temperature`",
    ),
    "vector": (
        {**_BASE, "factors": _numbers("of each class", least=2), "bias": _BIAS}, (),
        "softmax(factors x + bias), x = log of temperature's result at base_temperature",
    ),
    "matrix": (
        {
            **_BASE,
            "matrix": _numbers("row c: what x adds to class c", _numbers("", least=2), least=2),
            "bias": _BIAS,
        },
        (), "softmax(matrix x + bias), x as in vector",
    ),
    "platt": (
        {"slope": _number(exclusiveMinimum=0), "intercept": _number()}, (),
        "of two classes: log-odds of class 1 = slope o + intercept",
    ),
    "beta": (
        {"a": _number(minimum=0), "b": _number(minimum=0), "c": _number()}, (),
        "of two classes: log-odds of class 1 = a log p - b log(1 - p) + c, p = 1 / (1 + exp(-o))",
    ),
    "isotonic": (
        {"curves": _numbers("one of class 1 of two; of more, one per class", _CURVE)}, (),
        "the curve at o; of more classes: each at its class's log-odds against the others, / sum",
    ),
    "venn-abers": (
        {
            "lower_from": _numbers("log-odds from which on `lower` holds, rising"),
            "lower": _numbers("p0; 0 below all", _SHARE),
            "upper_to": _numbers("log-odds up to which `upper` holds, rising"),
            "upper": _numbers("p1; 1 above all", _SHARE),
        },
        (), "of two classes: p1 / (1 - p0 + p1) at o",
    ),
    "ensemble": (
        {
            "temperature": _TEMPERATURE,
            "pool": {"enum": ["log", "linear"]},
            "weights": _numbers("of each model, adding up to 1", _SHARE, least=2),
        },
        (), "softmax(pool / temperature), pool: log of the mean of softmax(z), or the mean of log",
    ),
}  # fmt: skip
_LABEL_PLATT = (
    {
        "slope": _number("of the common line, which labels have that are not named"),
        "intercept": _number(),
        "slopes": _by_name("of each label"),
        "intercepts": _by_name("of each label"),
        "few_events": _names("labels that mostly have the common line"),
        "slope_spread": _number(minimum=0),
        "intercept_spread": _number(minimum=0),
        "slope_intervals": _INTERVALS,
        "intercept_intervals": _INTERVALS,
    },
    ("slope_intervals", "intercept_intervals"),
    "of each label: sigmoid(slopes[label] z + intercepts[label])",
)
_OF_LABELS = {
    "identity": ({}, (), "of each label: sigmoid(z)"),
    "temperature": ({"temperature": _TEMPERATURE}, (), "of each label: sigmoid(z / temperature)"),
    "group-temperature": (
        *_METHODS["group-temperature"][:2], "of each label: sigmoid(z / temperatures[label])",
    ),
    "platt": _LABEL_PLATT,
}  # fmt: skip
_OF_ANSWERS = ("identity", "platt", "beta", "isotonic", "venn-abers")
_SCORE = _closed(
    {
        "scale": {
            "enum": ["probability", "logprob", "fraction", "percent", "count", "real"],
            "description": "which of the rules above makes log-odds of it",
        },
        "of": {"type": "integer", "minimum": 1, "description": "what counts are out of"},
        "words": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "what words in place of a score stand for, in small letters",
        },
    },
    optional=("of", "words"),
    words="what a score is; it becomes log-odds o first, and z = (0, o)",
)


def _methods() -> list[Schema]:
    """One schema per kind of input and method."""
    schemas = [_of_method("logits", name, *entry) for name, entry in _METHODS.items()]
    schemas += [_of_method("multilabel", name, *entry) for name, entry in _OF_LABELS.items()]
    for name in _OF_ANSWERS:
        keys, optional, words = _METHODS[name]
        schemas.append(_of_method("answers", name, {"score": _SCORE, **keys}, optional, words))
    return schemas


def _of_method(
    kind: str, name: str, keys: dict[str, Schema], optional: tuple[str, ...], words: str
) -> Schema:
    return {
        "title": f"{name} of {kind}",
        "description": words,
        "properties": {
            "method": {"const": name},
            "input": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "parameters": _closed(keys, optional=optional),
        },
    }


def _calibrator() -> Schema:
    return {
        "title": "calibrator.json",
        "description": "A fitted map from a classifier's logits to calibrated probabilities.",
        "type": "object",
        "properties": {
            "format": {"const": "temperance/calibrator"},
            "format_version": {"const": 1},
            "method": {"enum": list(_METHODS)},
            "parameters": {"type": "object", "description": "enough to apply the map"},
            "input": _closed(
                {
                    "kind": {
                        "enum": ["logits", "multilabel", "answers"],
                        "description": "what goes in: see below",
                    },
                    "convention": {
                        "enum": ["softmax", "sigmoid"],
                        "description": "sigmoid of label matrices and answers, else softmax",
                    },
                    "n_classes": {
                        "type": ["integer", "null"],
                        "minimum": 1,
                        "description": "columns of the logits; null where any number will do",
                    },
                    "classes": {
                        "type": ["array", "null"],
                        "items": {"type": ["string", "integer"]},
                        "description": "names in the order of the logits; 0, 1, ... where there "
                        "are none; null where a row may have any number",
                    },
                },
                optional=("n_classes", "classes"),
                words="what the map is applied to",
            ),
            "fit": {"type": "object", "description": "how it was fitted: for people and audits"},
            "evaluation": {"type": "object", "description": "what was measured, likewise"},
        },
        "required": ["format", "format_version", "method", "parameters", "input"],
        "additionalProperties": False,
        "oneOf": _methods(),
    }


_MAP_DIGEST: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "description": "of the map that the counts are of",
}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_GROUP: Schema = {**_MAYBE_TEXT, "description": "null: all rows"}
_MAYBE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}


def _policy() -> Schema:
    return {
        "title": "policy.json",
        "description": "A calibrator, the scores from which on rows are accepted or rejected, and "
        "the promises that the counts behind them support.",
        "oneOf": [
            _of_version(2, "thresholds on the confidence", _threshold_rule(), _promise()),
            _of_version(3, "bands: accept, review, reject", _band_rule(), _band_promise()),
        ],
        "$defs": {"calibrator": _calibrator()},
    }


def _of_version(version: int, title: str, rule: Schema, promise: Schema) -> Schema:
    properties: dict[str, Schema] = {
        "format": {"const": "temperance/policy"},
        "format_version": {"const": version},
        "rule": rule,
        "promise": promise,
        "calibrator": {"$ref": "#/$defs/calibrator"},
        "rows": {"type": "object", "description": "which rows were used for what"},
        "library": {"type": "string"},
    }
    return {"title": title, **_closed(properties, optional=("rows", "library"))}


def _band_rule() -> Schema:
    ends = {
        "accept_from": {**_MAYBE, "description": "accepted where the score is at least this"},
        "reject_to": {**_MAYBE, "description": "rejected where it is at most this"},
    }
    of_groups = _by_name("of each group", _closed(ends, optional=("accept_from", "reject_to")))
    return _closed(
        {
            "score": {"type": "string", "description": "what the thresholds are on, in words"},
            "event": {"type": "string", "description": "predicted, or the class decided about"},
            "column": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "of that class, from 0; null of the prediction",
            },
            "composite": {
                "enum": [None, "product", "minimum"],
                "description": "of the largest probabilities of a cluster's rows, one answer",
            },
            "accept": {"const": "score >= accept_from"},
            "reject": {"const": "score <= reject_to"},
            **ends,
            "groups": {
                "anyOf": [{"type": "null"}, of_groups],
                "description": "null, or `accept_from` and `reject_to` by the group's name",
            },
        },
        optional=("column", "composite", "accept_from", "reject_to", "groups"),
        words="a score less than 1e-6 beyond its threshold counts as at it; between: review",
    )


def _band_promise() -> Schema:
    counts = {
        "n": "rows counted",
        "positives": "of these, rows of the event",
        "accepted": "of these, rows accepted",
        "accepted_positives": "accepted rows of the event",
        "rejected": "of these, rows rejected",
        "rejected_positives": "rejected rows of the event",
    }
    scores = {
        "lowest_accepted": "least score of an accepted row",
        "highest_declined": "greatest score of a row that is not accepted",
        "highest_rejected": "greatest score of a rejected row",
        "lowest_kept": "least score of a row that is not rejected",
    }
    reasons = {
        "accept_reason": "why none can be accepted",
        "reject_reason": "why none can be rejected",
    }
    evidence: dict[str, Schema] = {
        "group": _GROUP,
        **{name: {**_COUNT, "description": words} for name, words in counts.items()},
        **{name: {**_MAYBE, "description": words} for name, words in scores.items()},
        **{name: {**_MAYBE_TEXT, "description": words} for name, words in reasons.items()},
    }
    inside = {"exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0}
    limit: Schema = {"type": ["number", "null"], **inside}
    rates = ("min_precision", "max_false_positive_rate", "min_recall",
             "min_negative_predictive_value", "max_false_negative_rate")  # fmt: skip
    return _closed(
        {
            "promises": _closed(
                dict.fromkeys(rates, limit),
                optional=rates,
                words="rates that hold: `min_precision`, `max_false_positive_rate`, `min_recall`, "
                "`min_negative_predictive_value`, `max_false_negative_rate`",
            ),
            "confidence": _number("probability that all promises hold", **inside),
            "n_given": {**_COUNT, "description": "labelled rows in all, those not counted too"},
            "clustered": {
                "type": "boolean",
                "description": "whether rows belong together: one of each cluster counts, or each "
                "cluster is one answer",
            },
            "rows": _numbers("what set each threshold", _closed(
                evidence, optional=("group", *scores, *reasons))),
            "map_sha256": _MAP_DIGEST,
        },
        words="what the bands rest on",
    )  # fmt: skip


def _threshold_rule() -> Schema:
    thresholds = _by_name("of each group; null: no row of it is accepted", _MAYBE)
    return _closed(
        {
            "score": {"const": "confidence"},
            "accept": {"const": "confidence >= threshold"},
            "threshold": {**_MAYBE, "description": "on the largest probability of a row"},
            "groups": {
                "anyOf": [{"type": "null"}, thresholds],
                "description": "null, or a threshold by the group's name; null: none is accepted",
            },
        },
        optional=("threshold", "groups"),
        words="a confidence less than 1e-6 below its threshold counts as at it",
    )


def _promise() -> Schema:
    evidence = _closed(
        {
            "group": _GROUP,
            "n": {**_COUNT, "description": "rows counted"},
            "accepted": {**_COUNT, "description": "of these, rows at the threshold or above"},
            "errors": {**_COUNT, "description": "accepted rows that are wrong"},
            "lowest_accepted": {**_MAYBE, "description": "least confidence of an accepted row"},
            "highest_declined": {**_MAYBE, "description": "greatest confidence of the others"},
            "reason": {**_MAYBE_TEXT, "description": "why there is no threshold"},
        },
        optional=("group", "lowest_accepted", "highest_declined", "reason"),
    )
    inside = {"exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0}
    return _closed(
        {
            "max_risk": {**_MAYBE, "description": "largest share of wrong answers"},
            "min_coverage": {**_MAYBE, "description": "least share of rows answered"},
            "confidence": _number("probability that the promise holds", **inside),
            "n_given": {**_COUNT, "description": "labelled rows in all, those not counted too"},
            "clustered": {
                "type": "boolean",
                "description": "whether rows belong together, and one of each cluster counts",
            },
            "rows": _numbers("what set each threshold", evidence),
            "map_sha256": _MAP_DIGEST,
        },
        optional=("max_risk", "min_coverage", "map_sha256"),
        words="what the thresholds rest on",
    )


def _cascade() -> Schema:
    above = {"exclusiveMinimum": 0.0}
    stage = _closed(
        {
            "cost_of_next": _number("of asking the next model about a row", **above),
            "expected_loss": {"oneOf": _expected_losses()},
            "step": _number("what asking costs, in wrong answers"),
            "lowest": _number("least confidence there is: 1 / number of classes", minimum=0.0),
            "map_sha256": {**_MAP_DIGEST, "description": "of `calibrator`"},
            "calibrator": {"$ref": "#/$defs/calibrator"},
        },
        words="of each model but the last: when its rows go on to the next one",
    )
    last = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/calibrator"}]}
    return {
        "title": "cascade.json",
        "description": "Models in the order in which they are asked, and when a row goes on.",
        **_closed(
            {
                "format": {"const": "temperance/cascade"},
                "format_version": {"const": 1},
                "models": {**_names("their names"), "minItems": 2, "uniqueItems": True},
                "price": _number("of a wrong answer, in units of the costs"),
                "goes_on": {"const": "1 - confidence > expected_loss + step"},
                "stages": _numbers("one less than models", stage),
                "last_calibrator": {**last, "description": "of the last model; null: as it is"},
                "rows": {"type": "object", "description": "which rows were used for what"},
                "library": {"type": "string"},
            },
            optional=("last_calibrator", "rows", "library"),
        ),
        "$defs": {"calibrator": _calibrator()},
    }


def _expected_losses() -> list[Schema]:
    """What the next model is expected to lose, given the confidence: three kinds."""
    confidences = _numbers("rising")
    losses = _numbers("at these, not rising; straight lines between", _number(minimum=0.0))
    return [
        _closed({"kind": {"const": "constant"}, "value": _number(minimum=0.0)}),
        _closed({"kind": {"const": "isotonic"}, "confidence": confidences, "loss": losses}),
        _closed(
            {
                "kind": {"const": "logistic"},
                "slope": _number("of the log-odds of the confidence"),
                "intercept": _number(),
                "scale": _number("the most that a row can lose", exclusiveMinimum=0.0),
            }
        ),
    ]
