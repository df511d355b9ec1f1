"""Files spoiled: bytes in ways that hypothesis chooses, JSON in all ways."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


STARTS = [
    b"",
    b"\x93NUMPY\x01\x00",
    b"PK\x03\x04",
    b"PAR1",
    b"ARROW1\0\0",
    b"\xff\xff\xff\xff",
    b"FEA1",
    b"logit_a,logit_b,label\n",
    b"prob\tlabel\n",
    b'{"logits": [',
    b'{"probs": 0.5}\n',
]


@st.composite
def mutations(draw, content):
    """The content with a few bytes flipped, changed, inserted, deleted or cut off."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        match draw(st.sampled_from(["flip", "set", "insert", "delete", "cut"])):
            case "flip" if changed:
                changed[place] ^= 1 << draw(st.integers(0, 7))
            case "set" if changed:
                changed[place] = draw(st.integers(0, 255))
            case "insert":
                changed[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "delete":
                del changed[place : place + draw(st.integers(1, 16))]
            case "cut":
                del changed[place:]
            case _:
                pass
    return bytes(changed)


def json_mutations(value):
    """Each way to drop a key, to add one, or to make a number a text."""
    if isinstance(value, dict):
        yield {**value, "unknown key": 1}
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}
            for other in json_mutations(inner):
                yield {**value, key: other}
    elif isinstance(value, list):
        yield []
        for other in json_mutations(value[0] if value else 0):
            yield [other, *value[1:]]
    else:
        yield {"an": "object"}
