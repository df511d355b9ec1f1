"""Write docs/formats.md, the page of this library's files, and their schemas: `make docs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.formats import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("formats.md")
SCHEMAS = Path(__file__).with_name("schemas")
GOLDEN = Path(__file__).parents[1] / "tests" / "data" / "golden"
HEAD = """# Files

`calibrator.json`, `policy.json` and `cascade.json` hold names and numbers, no code: enough to apply
a map, or to decide by it, in any language. `temperance schema calibrator` (`policy`, `cascade`)
prints what this page is made of, as [JSON Schema](schemas.md); `temperance.formats.schema` returns
it. A version of a file is read for ever. All are written beside the target and then renamed, as
UTF-8; infinity and nan never stand in them. [Into production](deployment.md#any-language) has a
reader in JavaScript.
"""
KINDS = {
    "logits": "Of one class per row: z are the row's logits, one per class, in the order of "
    "`input.classes`; -infinity is an option that does not exist, k counts those that do. Of two "
    "classes o = z1 - z0; where one of the two does not exist the other is certain, unless the "
    "knots of a curve begin at -1e101: then o is at least that, and at most 1e101.",
    "multilabel": "Of a matrix of labels: z is the logit of each label.",
    "answers": "Of scores of answers: the score becomes log-odds o by `parameters.score` "
    "(probability p: log p - log(1 - p), both at least log 2^-24; logprob likewise of exp(s); "
    "fraction, percent, count of m: log(s + 1/2) - log(m - s + 1/2), a fraction as percent of 100; "
    "real: o itself), and z = (0, o). The result is the probability of class 1, that the answer "
    "is right.",
}


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_calibrator(), *_policy(), *_cascade()])


def schemas() -> dict[str, str]:
    """Return the text of each file of docs/schemas, by its name."""
    return {
        f"{name}.schema.json": json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"
        for name in ("calibrator", "policy", "cascade")
    }


def _calibrator() -> Iterator[str]:
    top = schema("calibrator")
    yield f"## calibrator.json\n\n{top['description']}\n"
    example = json.loads((GOLDEN / "temperature.json").read_text(encoding="utf-8"))["calibrator"]
    yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"
    yield from _keys(top)
    of_input = top["properties"]["input"]
    yield f"`input`: {of_input['description']}.\n"
    yield from _keys(of_input)
    for kind, words in KINDS.items():
        yield f"### {kind}\n\n{words}\n"
        yield "| method | probabilities | `parameters` |\n|---|---|---|"
        for each in top["oneOf"]:
            method, of = (each["properties"][key] for key in ("method", "input"))
            if of["properties"]["kind"]["const"] == kind:
                parameters = each["properties"]["parameters"]
                yield f"| `{method['const']}` | {each['description']} | {_list(parameters)} |"
        yield ""
        yield from _inner(kind, top)


def _inner(kind: str, top: dict[str, Any]) -> Iterator[str]:
    """Tables of what the parameters hold that are no numbers: curves, the scale of a score."""
    parameters = {
        each["properties"]["method"]["const"]: each["properties"]["parameters"]["properties"]
        for each in top["oneOf"]
        if each["properties"]["input"]["properties"]["kind"]["const"] == kind
    }
    if kind == "logits":
        curve = parameters["isotonic"]["curves"]["items"]
        yield f"Each of `curves`: {curve['description']}.\n"
        yield from _keys(curve)
    if kind == "answers":
        yield "`score`: what a score is.\n"
        yield from _keys(parameters["identity"]["score"])


def _policy() -> Iterator[str]:
    top = schema("policy")
    yield f"## policy.json\n\n{top['description']}\n"
    for each, file in zip(top["oneOf"], ("policy.json", "policy-bands.json"), strict=True):
        version = each["properties"]["format_version"]["const"]
        yield f"### Version {version}: {each['title']}\n"
        example = json.loads((GOLDEN / file).read_text(encoding="utf-8"))["policy"]
        example["calibrator"] = {"format": "temperance/calibrator", "...": "..."}
        yield f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```\n"
        yield from _keys(each)
        for name in ("rule", "promise"):
            part = each["properties"][name]
            yield f"`{name}`: {part['description']}.\n"
            yield from _keys(part)
        yield "Each of the promise's `rows`: the counts behind a threshold.\n"
        yield from _keys(part["properties"]["rows"]["items"])


def _cascade() -> Iterator[str]:
    top = schema("cascade")
    yield f"## cascade.json\n\n{top['description']}\n"
    yield from _keys(top)
    stage = top["properties"]["stages"]["items"]
    yield f"Each of `stages`: {stage['description']}.\n"
    yield from _keys(stage)
    yield "`expected_loss` is one of these:\n"
    for each in stage["properties"]["expected_loss"]["oneOf"]:
        yield from _keys(each)


def _keys(part: dict[str, Any]) -> Iterator[str]:
    """A line per key: its type, whether it is optional, and what it is."""
    yield "| key | type | |\n|---|---|---|"
    for name, each in part["properties"].items():
        lacks = "" if name in part["required"] else ", optional"
        words = each.get("description", "")
        yield f"| `{name}` | {_type(each)}{lacks} | {words} |"
    yield ""


def _list(part: dict[str, Any]) -> str:
    entries = []
    for name, each in part["properties"].items():
        lacks = "" if name in part["required"] else ", optional"
        words = f": {each['description']}" if "description" in each else ""
        entries.append(f"`{name}` ({_type(each)}{lacks}){words}")
    return "; ".join(entries) or "none"


def _type(part: dict[str, Any]) -> str:
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return " or ".join(f"`{json.dumps(each)}`" for each in part["enum"])
    if "anyOf" in part:
        return " or ".join(_type(each) for each in part["anyOf"])
    if "oneOf" in part:
        return "object"
    if "$ref" in part:
        return "a calibrator.json"
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    text = " or ".join(types)
    if "array" in types and isinstance(part.get("items"), dict) and "type" in part["items"]:
        text = text.replace("array", f"array of {_type(part['items'])}")
    return text + _limits(part)


def _limits(part: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {part[key]}" for key, sign in signs.items() if key in part]
    return f" {', '.join(limits)}" if limits else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
