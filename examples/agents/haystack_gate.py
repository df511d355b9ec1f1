"""A Haystack RAG pipeline that passes an answer on only where a policy's promise covers it.

`temperance threshold past.csv --kind answers --score-scale logprob --max-risk 0.1` wrote
policy.json, from past answers: the column score holds the mean log-probability of the tokens of
each, the column correct whether it was right. `python haystack_gate.py policy.json` asks two
questions.
"""

import sys

from haystack import Document, Pipeline, component
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from temperance.decisions import load_policy

FACTS = ["The warranty lasts 24 months.", "Returns are free for 30 days."]


@component
class Model:
    """Stand for a generator with log-probabilities: its answer, and the mean over its tokens."""

    @component.output_types(answer=str, score=float)
    def run(self, question: str, documents: list[Document]):
        known = bool(documents) and "warranty" in question
        return {
            "answer": documents[0].content if documents else "",
            "score": -0.05 if known else -2.0,
        }


@component
class Gate:
    """Send answers of which the promise holds to `answer`, and the others to `unsure`."""

    def __init__(self, path: str):
        self.policy = load_policy(path)

    @component.output_types(answer=str, unsure=str, confidence=float)
    def run(self, answer: str, score: float):
        (confidence,), (accepted,) = self.policy.apply([score])
        return {"answer" if accepted else "unsure": answer, "confidence": float(confidence)}


def build(path: str) -> Pipeline:
    """Return the pipeline: retriever, model, gate."""
    store = InMemoryDocumentStore()
    store.write_documents([Document(content=fact) for fact in FACTS])
    rag = Pipeline()
    rag.add_component("retriever", InMemoryBM25Retriever(store, top_k=1))
    rag.add_component("model", Model())
    rag.add_component("gate", Gate(path))
    rag.connect("retriever.documents", "model.documents")
    rag.connect("model.answer", "gate.answer")
    rag.connect("model.score", "gate.score")
    return rag


def ask(rag: Pipeline, question: str) -> dict:
    """Return what the gate says of the answer to a question."""
    return rag.run({"retriever": {"query": question}, "model": {"question": question}})["gate"]


if __name__ == "__main__":
    pipeline = build(sys.argv[1])
    for question in ("How long is the warranty?", "Who designed the logo?"):
        print(ask(pipeline, question))
