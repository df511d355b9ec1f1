"""A LangGraph agent that answers only where a policy's promise covers the answer.

`temperance threshold past.csv --max-risk 0.1` wrote policy.json, from past questions: the columns
logit_refund, logit_repair and logit_reject hold log-probabilities, the column label what was right.
`python langgraph_gate.py policy.json` asks two questions.
"""

import sys
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from temperance.decisions import load_policy

OPTIONS = ["refund", "repair", "reject"]


class State(TypedDict, total=False):
    question: str
    logprobs: list[float]  # of OPTIONS, as the model gives them
    confidence: float
    answer: str


def model(state: State) -> State:
    """Stand for a chat model with `logprobs=True`, read at the tokens of the options."""
    sure = "receipt" in state["question"]
    return {"logprobs": [-0.01, -5.0, -6.0] if sure else [-0.9, -1.0, -1.6]}


def ask_a_person(state: State) -> State:
    """Stand for a queue, a larger model, or a second search."""
    return {"answer": f"a person will look at: {state['question']}"}


def build(path: str):
    """Return the graph: model, gate, and where the gate says so a person."""
    policy = load_policy(path)

    def gate(state: State):
        (probs,), (accepted,) = policy.apply([state["logprobs"]])
        update = {"confidence": float(probs.max()), "answer": OPTIONS[probs.argmax()]}
        return Command(update=update, goto=END if accepted else "ask_a_person")

    graph = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("gate", gate, destinations=(END, "ask_a_person"))
    graph.add_node("ask_a_person", ask_a_person)
    graph.add_edge(START, "model")
    graph.add_edge("model", "gate")
    graph.add_edge("ask_a_person", END)
    return graph.compile()


if __name__ == "__main__":
    agent = build(sys.argv[1])
    for question in ("Broken on arrival, receipt attached.", "It makes a noise, sometimes."):
        done = agent.invoke({"question": question})
        print(f"{done['confidence']:.2f}  {done['answer']}")
