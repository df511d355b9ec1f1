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


def _pairs(top):
    return [{"token": t, "logprob": p} for t, p in top]


def _legacy(top, **beside):
    logprobs = {
        "text_offset": [0], "tokens": [top[0][0]], "token_logprobs": [top[0][1]],
        "top_logprobs": [dict(top)],
    }  # fmt: skip
    choice = {"index": 0, "text": top[0][0], "logprobs": logprobs, "finish_reason": "stop"}
    return {"object": "text_completion", "choices": [choice], **beside}


def _responses(top, **beside):
    entry = {**_pairs(top)[0], "bytes": list(top[0][0].encode()), "top_logprobs": _pairs(top)}
    part = {"type": "output_text", "text": top[0][0], "annotations": [], "logprobs": [entry]}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    reasoning = {"type": "reasoning", "summary": []}
    output = [reasoning, message]
    return {"object": "response", "status": "completed", "output": output, **beside}


def _vllm(top, **beside):
    step = {
        str(100 + i): {"logprob": p, "rank": i + 1, "decoded_token": t}
        for i, (t, p) in enumerate(top)
    }
    output = {
        "index": 0, "text": top[0][0], "token_ids": [100], "cumulative_logprob": top[0][1],
        "logprobs": [step], "finish_reason": "length",
    }  # fmt: skip
    return {"prompt": "Q?", "outputs": [output], "finished": True, **beside}


def _sglang(top, **beside):
    triples = [[p, 100 + i, t] for i, (t, p) in enumerate(top)]
    info = {"output_token_logprobs": [triples[0]], "output_top_logprobs": [triples]}
    return {"text": top[0][0], "meta_info": info, **beside}


def _llama_cpp(top, **beside):
    entries = [{"id": 100 + i, "bytes": [], **each} for i, each in enumerate(_pairs(top))]
    return {
        "content": top[0][0], **beside,
        "completion_probabilities": [{**entries[0], "top_logprobs": entries}],
    }  # fmt: skip


def _ollama(top, **beside):
    entry = {**_pairs(top)[0], "top_logprobs": _pairs(top)}
    message = {"role": "assistant", "content": top[0][0]}
    return {"model": "m", "message": message, "done": True, "logprobs": [entry], **beside}


def _tgi(top, **beside):
    tokens = [{"id": i, "text": t, "logprob": p, "special": False} for i, (t, p) in enumerate(top)]
    details = {
        "finish_reason": "length", "generated_tokens": 1, "prefill": [],
        "tokens": [tokens[0]], "top_tokens": [tokens],
    }  # fmt: skip
    return {"generated_text": top[0][0], "details": details, **beside}


def _gemini(top, **beside):
    tokens = [{"token": t, "tokenId": i, "logProbability": p} for i, (t, p) in enumerate(top)]
    candidate = {
        "content": {"parts": [{"text": top[0][0]}], "role": "model"}, "finishReason": "STOP",
        "avgLogprobs": top[0][1],
        "logprobsResult": {
            "topCandidates": [{"candidates": tokens}], "chosenCandidates": [tokens[0]],
        },
    }  # fmt: skip
    return {"candidates": [candidate], **beside}


def _inspect_ai(top, **beside):
    entry = {**_pairs(top)[0], "top_logprobs": _pairs(top)}
    choice = {
        "message": {"role": "assistant", "content": top[0][0]}, "stop_reason": "stop",
        "logprobs": {"content": [entry]},
    }  # fmt: skip
    output = {"model": "m", "choices": [choice], "completion": top[0][0]}
    return {"epoch": 1, "input": "Q?", "choices": ["x", "y"], "output": output, **beside}


# One token with these (token, log-probability) pairs at the top, the first of them sampled, as each
# server writes it.
VENDORS = {
    "openai-logprobs": completion,
    "openai-completions": _legacy,
    "openai-responses": _responses,
    "vllm": _vllm,
    "sglang": _sglang,
    "llama-cpp": _llama_cpp,
    "ollama": _ollama,
    "tgi": _tgi,
    "gemini": _gemini,
    "inspect-ai": _inspect_ai,
}


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
