"""What inspect-ai itself writes is read, where it is installed; and archives made here."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from llm_files import VENDORS, write
from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers import LlmFormat, read

PROGRAM = '''
import sys
import tiktoken

class Words:
    """In place of a vocabulary that would have to be fetched: tokens are only counted by it."""
    def encode(self, text, **_):
        return text.split()
    encode_ordinary = encode

tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: Words()
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import Logprob, Logprobs, ModelOutput, TopLogprob, get_model
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice

def output(top):
    token = max(top, key=top.get)
    made = ModelOutput.from_content("mockllm/model", f"ANSWER: {token}")
    said = [Logprob(token=text, logprob=-0.1, top_logprobs=[TopLogprob(token=text, logprob=-0.1)])
            for text in ("ANSWER", ":", " ")]
    likely = [TopLogprob(token=text, logprob=value, bytes=None) for text, value in top.items()]
    said.append(Logprob(token=token, logprob=top[token], top_logprobs=likely))
    made.choices[0].logprobs = Logprobs(content=said)
    return made

TOPS = [dict(B=-0.3, A=-1.6, C=-3.2), dict(A=-0.9, B=-0.7, C=-2.5), dict(C=-0.2, A=-2.1, B=-3.0)]
samples = [Sample(id=f"q{i}", input="?", choices=["x", "y", "z"], target=target)
           for i, target in enumerate("BBC")]
for log_format in ("eval", "json"):
    task = Task(dataset=samples, solver=multiple_choice(shuffle=sys.argv[1] == "shuffled"),
                scorer=choice(), name="exam")
    model = get_model("mockllm/model", custom_outputs=[output(top) for top in TOPS], memoize=False)
    eval(task, model=model, log_format=log_format, log_dir="logs", display="none")
'''
POSITION = LlmFormat("inspect-ai", position=-1)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The logs that its mock model leaves behind, .eval and .json, by name."""
    pytest.importorskip("inspect_ai", reason="inspect-ai is not installed")
    made = {}
    for how in ("plain", "shuffled"):
        folder = tmp_path_factory.mktemp(how)
        (folder / "program.py").write_text(PROGRAM)
        command = [sys.executable, "program.py", how]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        made |= {how + file.suffix: file for file in (folder / "logs").iterdir()}
    return made


@pytest.mark.parametrize("suffix", [".eval", ".json"])
@pytest.mark.parametrize("name", ["inspect-ai", "auto"])
def test_its_own_logs(logs, suffix, name):
    """The options are the letters of the choices, the label is the target, the id the sample's."""
    if suffix == ".eval":
        pytest.importorskip("zstandard")
    found = read(logs[f"plain{suffix}"], format=LlmFormat(name, position=-1))
    expected = [[-1.6, -0.3, -3.2], [-0.9, -0.7, -2.5], [-2.1, -3.0, -0.2]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert found.labels.tolist() == ["B", "B", "C"]
    assert found.ids.tolist() == ["q0", "q1", "q2"]
    assert found.classes == ("A", "B", "C")


def test_its_shuffled_choices_are_refused(logs):
    """Its log has other letters than the tokens; where it has the same, nothing was moved."""
    with pytest.raises(FileFormatError, match="choices that inspect-ai shuffled"):
        read(logs["shuffled.json"], format=POSITION)


def sample(**beside):
    """A sample as such a log holds it."""
    top = [("B", -0.3), ("A", -1.6)]
    return {"id": "q0", "target": "B", **VENDORS["inspect-ai"](top), **beside}


def archive(path, contents, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("header.json", "{}")
        for name, content in contents.items():
            file.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path


def test_an_archive_and_a_log_of_text(tmp_path):
    """A sample of several targets is left out, one that failed counted; lines are samples."""
    lines = [sample(), sample(id="q1", target=["A", "B"]), sample(id="q2", target=["A"]),
             sample(id="q3", error={"message": "timeout"})]  # fmt: skip
    packed = archive(
        tmp_path / "a.eval", {f"samples/{i}.json": line for i, line in enumerate(lines)}
    )
    text = tmp_path / "a.json"
    text.write_text(json.dumps({"eval": {"task": "exam"}, "samples": lines}))
    for path in (packed, text, write(tmp_path / "a.jsonl", lines)):
        found = read(path, format="inspect-ai")
        assert found.values.tolist() == [[-1.6, -0.3]] * 2
        assert found.labels.tolist() == ["B", "A"]
        assert [note.partition(": ")[2] for note in found.notes] == [
            "1 row left out: requests that failed.",
            "1 row left out: several options are right.",
        ]
    named = read(text, format=LlmFormat("inspect-ai", options=["B", "A"]))
    assert named.values.tolist() == [[-0.3, -1.6]] * 2


def test_other_archives_and_texts_are_refused(tmp_path):
    """In one line that says what there is."""
    with pytest.raises(FileFormatError, match="has no samples: is it a log of inspect-ai"):
        read(archive(tmp_path / "a.eval", {}), format=POSITION)
    with pytest.raises(FileFormatError, match=r"sample '1': .*JSON"):
        read(archive(tmp_path / "a.eval", {"samples/1.json": "{"}), format=POSITION)
    (tmp_path / "a.eval").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(FileFormatError, match="damaged or not in the format"):
        read(tmp_path / "a.eval", format=POSITION)
    (tmp_path / "a.json").write_text(json.dumps({"eval": {}, "samples": []}))
    with pytest.raises(FileFormatError, match="has no samples: a log of inspect-ai whose samples"):
        read(tmp_path / "a.json", format=POSITION)
    (tmp_path / "a.json").write_text(json.dumps({"eval": {}, "samples": [sample(choices=["x"])]}))
    with pytest.raises(FileFormatError, match=r"sample 1: `choices` must be a list of 2 to 26"):
        read(tmp_path / "a.json", format=POSITION)


def packed_with_zstd(path, content, size=None):
    """An archive whose one sample is packed with zstd, as inspect-ai does; `size` as it says."""
    zstandard = pytest.importorskip("zstandard")
    raw = json.dumps(content).encode()
    packed = zstandard.ZstdCompressor().compress(raw)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("samples/1.json", packed)
        entry = file.getinfo("samples/1.json")
        entry.compress_type, entry.file_size = 93, size or len(raw)
    path.write_bytes(buffer.getvalue())
    return path


def test_packed_with_zstd(tmp_path, monkeypatch):
    """Read where the package is there; without it the error names the extra, and the way round."""
    path = packed_with_zstd(tmp_path / "a.eval", sample())
    assert read(path, format="inspect-ai").values.tolist() == [[-1.6, -0.3]]
    with pytest.raises(FileFormatError, match="is damaged: it has not the 5,000 bytes"):
        read(packed_with_zstd(tmp_path / "b.eval", sample(), size=5000), format="inspect-ai")
    with pytest.raises(FileFormatError, match="more than a sample can have"):
        read(packed_with_zstd(tmp_path / "b.eval", sample(), size=1 << 30), format="inspect-ai")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(
        MissingDependencyError, match=r"inspect log convert .*temperance\[inspect\]"
    ):
        read(path, format="inspect-ai")
