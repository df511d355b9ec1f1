"""Lines of language models' files as the services write them, for the tests of their readers."""

import json

LM_EVAL = {
    "doc_id": 0,
    "doc": {"q": "2+2=", "choices": ["3", "4", "5"], "a": 1},
    "target": "1",
    "arguments": {
        f"gen_args_{i}": {"arg_0": "2+2=", "arg_1": f" {text}"} for i, text in enumerate("345")
    },
    "resps": [[["-0.5", "False"]], [["-1.0", "False"]], [["-2.0", "False"]]],
    "filtered_resps": [["-0.5", "False"], ["-1.0", "False"], ["-2.0", "False"]],
    "filter": "none",
    "metrics": ["acc"],
    "acc": 0.0,
}


def lm_eval(texts, log_probs, target, **changes):
    """A sample of lm-eval; texts are the options', each after a space."""
    pairs = [[str(value), "False"] for value in log_probs]
    arguments = {
        f"gen_args_{i}": {"arg_0": "Q?", "arg_1": f" {text}"} for i, text in enumerate(texts)
    }
    line = {
        "doc_id": 0, "doc": {}, "target": target, "arguments": arguments,
        "filtered_resps": pairs, "filter": "none",
    }  # fmt: skip
    return {**line, **changes}


def completion(top, *, sampled=None, **beside):
    """A chat completion whose one token has these (token, log-probability) pairs at the top."""
    entries = [{"token": t, "bytes": list(t.encode()), "logprob": p} for t, p in top]
    token, log_prob = sampled or top[0]
    content = [{"token": token, "bytes": None, "logprob": log_prob, "top_logprobs": entries}]
    choice = {
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": token},
        "logprobs": {"content": content, "refusal": None},
    }  # fmt: skip
    return {"object": "chat.completion", "choices": [choice], **beside}


def choice(probabilities, **beside):
    """An answer of OpenAI Decisions among options; `probabilities` are (value, p) pairs."""
    listed = [{"value": value, "probability": p} for value, p in probabilities]
    best = max(probabilities, key=lambda pair: pair[1])
    return {
        "type": "choice", "name": None, "choice": best[0], "confidence": best[1],
        "probabilities": listed, **beside,
    }  # fmt: skip


def write(path, lines):
    """Write JSON Lines; a line that is text is written as it is."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path
