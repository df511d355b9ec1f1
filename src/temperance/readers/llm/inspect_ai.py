"""Logs of inspect-ai, `.eval` or JSON: samples with the log-probabilities of their answers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers.llm.lines import json_content
from temperance.readers.llm.node import Node
from temperance.readers.llm.openai import first_choice
from temperance.readers.llm.tokens import entry_places, token_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Answer, Ask

__all__ = ["inspect_ai", "samples"]

_ZSTD = 93  # the compression of a zip entry, as inspect-ai writes it
_MOST_BYTES = 1 << 28  # of one sample
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def samples(path: Path) -> Iterator[tuple[str, dict[str, Any]]] | None:
    """Return the samples of a log; None of a JSON file that is no log."""
    if path.suffix.lower() == ".eval":
        return _of_archive(path)
    content = json_content(path.read_bytes())
    if not isinstance(content, dict) or "eval" not in content:
        return None
    samples_ = content.get("samples")
    if not isinstance(samples_, list) or not samples_:
        msg = "has no samples: a log of inspect-ai whose samples were left out (header only)?"
        raise FileFormatError(msg)
    return ((f"sample {i}", _object(each)) for i, each in enumerate(samples_, start=1))


def _of_archive(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with zipfile.ZipFile(path) as archive:
        entries = [each for each in archive.infolist() if each.filename.startswith("samples/")]
        if not entries:
            msg = "has no samples: is it a log of inspect-ai, and was it finished?"
            raise FileFormatError(msg)
        for entry in entries:
            name = f"sample {Path(entry.filename).stem!r}"
            try:
                yield name, _object(json_content(_bytes(archive, entry)))
            except FileFormatError as error:
                msg = f"{name}: {error}"
                raise FileFormatError(msg) from error


def _object(content: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever JSON holds)
    if not isinstance(content, dict):
        msg = "a sample must be a JSON object."
        raise FileFormatError(msg)
    return content


def _bytes(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry; of the compression that inspect-ai uses, by a package that knows it."""
    if entry.file_size > _MOST_BYTES:
        msg = f"says it has {entry.file_size:,} bytes, more than a sample can have."
        raise FileFormatError(msg)
    if entry.compress_type != _ZSTD:
        return archive.read(entry)
    try:
        import zstandard  # noqa: PLC0415  (optional package)
    except ImportError as error:
        package, purpose = "zstandard", "a packed .eval log (or inspect log convert --to json)"
        raise MissingDependencyError(package, extra="inspect", purpose=purpose) from error
    file = archive.fp
    assert file is not None  # noqa: S101  (the archive is open)
    file.seek(entry.header_offset)
    head = file.read(30)
    lengths = [int.from_bytes(head[at : at + 2], "little") for at in (26, 28)]
    file.seek(entry.header_offset + 30 + sum(lengths))
    packed = file.read(entry.compress_size)
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    content: bytes = reader.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        msg = f"is damaged: it has not the {entry.file_size:,} bytes that it says."
        raise FileFormatError(msg)
    return content


def inspect_ai(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a sample, unless it failed."""
    if line.get("error") is not None:
        ask.counts["failed"] += 1
        return
    output = line.need("output")
    choices = output.need("choices")
    if not choices.items() and output.get("error") is not None:
        ask.counts["failed"] += 1
        return
    choice = first_choice(choices, ask)
    stop = choice.get("stop_reason")
    logprobs = choice.get("logprobs")
    if logprobs is None and stop is not None and stop.value == "content_filter":
        ask.counts["refusals"] += 1
        return
    if logprobs is None:
        msg = (
            f"`{choice.path}.logprobs` is null: ask for it, "
            "GenerateConfig(logprobs=True, top_logprobs=20)."
        )
        raise FileFormatError(msg)
    content = logprobs.need("content")
    _refuse_rewritten(output, content)
    if ask.score is not None:
        yield token_answer(_with_verdict(line), entry_places(content), content, ask, [])
        return
    labelled = line if "label" in line.value else Node({**line.value, "label": _target(line)})
    has_options = ask.format.options is not None or ask.format.options_field is not None
    options = None if has_options else _letters(line)
    yield token_answer(labelled, entry_places(content), content, ask, [], options=options)


def _with_verdict(line: Node) -> Node:
    """Return a sample with what its only scorer says, C or I, as whether it is `correct`."""
    scores = line.get("scores")
    if "correct" in line.value or scores is None or len(scores.value) != 1:
        return line
    (score,) = [scores.need(name) for name in scores.value]
    value = score.value.get("value") if isinstance(score.value, dict) else None
    return Node({**line.value, "correct": {"C": True, "I": False}.get(str(value), value)})


def _target(line: Node) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Return the right answer of a sample: a list of one is that one."""
    target = line.value.get("target")
    return target[0] if isinstance(target, list) and len(target) == 1 else target


def _letters(line: Node) -> tuple[tuple[str], ...]:
    """Return the letters of a sample's choices, as its multiple_choice solver names them."""
    choices = line.need("choices")
    count = len(choices.items())
    if not 2 <= count <= len(_LETTERS):
        choices.refuse("a list of 2 to 26 choices, or options must be named (--options)")
    return tuple((letter,) for letter in _LETTERS[:count])


def _refuse_rewritten(output: Node, content: Node) -> None:
    """Refuse an answer whose text is not that of its tokens: choices that were shuffled."""
    completion = output.get("completion")
    if completion is None:
        return
    token_text = "".join(
        token.value
        for entry in content.items()
        if (token := entry.get("token")) is not None and isinstance(token.value, str)
    )
    if _letters_of(completion.value) not in _letters_of(token_text):
        msg = (
            f"`{output.path}.completion` is not the text of its tokens "
            f"({json.dumps(token_text[-20:])}): choices that inspect-ai shuffled stand in the log "
            "under other letters than the model was asked. Run the task without shuffling."
        )
        raise FileFormatError(msg)


def _letters_of(text: Any) -> str:  # noqa: ANN401
    return "".join(each for each in str(text) if each.isascii() and each.isalnum())
