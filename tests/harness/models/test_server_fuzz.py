"""Random answers of a server: each ends as a completion, a counted loss, or one line; no server for most."""

import json
import logging
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from fakes import ONE_TEST, PROFILES, FakeGrader, made_benchmark
from fuzzing import REFUSED, RESULT, bounded, ended
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.evaluate.evaluation import Plan, evaluate
from harness.evaluate.generation import GenerationPlan
from harness.models import Decoding
from harness.models.api.answer import Answer, NoAnswer, read_answer
from harness.models.api.context_window import fewer_new_tokens, window_of
from harness.models.api.error_words import loss_of, words_of
from harness.models.api.errors import ending, one_line
from harness.models.api.finish_reasons import CUT, FAILED, FILTERED, OWN
from harness.models.base import Completion
from harness.models.unanswered import Loss, Unanswered
from harness.types import Limits, Piece, PromptFormat

EXAMPLES = 300
TEXT = st.text(st.characters(), max_size=12)  # lone surrogates, too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ENDINGS = st.sampled_from([*sorted(CUT | FAILED | FILTERED | OWN), "stop", None, 1, "new", {"type": "abort"}])
PARTS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "thinking", "x"]), "text": JSON}) | JSON
)
CONTENT = TEXT | st.none() | PARTS | JSON
MESSAGE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("content", "reasoning", "tool_calls", "refusal"), CONTENT)
)
CHOICE = st.fixed_dictionaries(
    {}, optional={"message": MESSAGE | JSON, "text": CONTENT, "finish_reason": ENDINGS, "error": JSON}
)
ERROR = st.fixed_dictionaries(
    {}, optional={"message": JSON, "code": JSON | st.integers(390, 610), "type": JSON}
)
USAGE = st.fixed_dictionaries({}, optional={"completion_tokens": JSON, "prompt_tokens": JSON})
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICE | JSON, max_size=2) | JSON,
        "error": ERROR | JSON,
        "usage": USAGE | JSON,
        "message": JSON,
        "model": JSON,
    },
)


NEARLY_GOOD = st.builds(
    lambda choice, changes, others: {"choices": [choice | changes]} | others,
    st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({"content": TEXT}), "text": TEXT, "finish_reason": st.just("stop")}
    ),
    CHOICE | st.just({}),
    ANSWERS.map(lambda answer: {name: answer[name] for name in answer if name != "choices"}) | st.just({}),
)
"""A model's answer with a change or two."""


@st.composite
def bodies(draw):
    """An answer in one of the ways in which it may come, whole or not."""
    values = draw(st.lists(NEARLY_GOOD | NEARLY_GOOD | ANSWERS | JSON, min_size=1, max_size=3))
    if draw(st.booleans()):
        text = json.dumps(values[0])
    else:
        text = "".join(f"data: {json.dumps(each)}\n\n" for each in values) + draw(
            st.sampled_from(["", "data: [DONE]"])
        )
    cut = draw(st.integers(0, len(text)))
    return text[:cut] if draw(st.integers(0, 4)) == 0 else text


@pytest.mark.slow
@bounded(EXAMPLES)
@given(bodies() | TEXT, st.booleans())
def test_every_body_is_an_answer_or_none_and_no_failure_is_an_answer(body, chat):
    found = read_answer(body, chat=chat)
    assert isinstance(found, Answer | NoAnswer)
    ended("server answers", RESULT if isinstance(found, Answer) else REFUSED)
    if isinstance(found, NoAnswer):
        assert "\n" not in one_line(found.words)
        line = ending(found, "http://x/v1", "m", what="it", served=[])
        assert isinstance(line, InputError)
        assert "\n" not in str(line)
        return
    assert isinstance(found.text, str)
    assert 0 <= found.tokens < 10**8
    value = json.loads(body) if body.startswith("{") else None
    if value is not None:
        assert not value.get("error")
        reason = value["choices"][0].get("finish_reason")
        assert not (isinstance(reason, str) and reason in FAILED | FILTERED)


@pytest.mark.slow
@bounded(EXAMPLES)
@given(TEXT | st.builds(json.dumps, ERROR | JSON), st.none() | st.integers(300, 600), st.integers(1, 10**6))
def test_every_refusal_has_words_and_a_meaning(body, status, asked):
    words = words_of(body)
    assert loss_of(status, words) in list(Loss)
    ended("server refusals", REFUSED)
    fewer = fewer_new_tokens(words, asked, None)
    assert fewer is None or 0 < fewer < asked


@pytest.mark.slow
@bounded(EXAMPLES)
@given(st.lists(st.dictionaries(st.sampled_from(["max_model_len", "meta", "parent", "n_ctx"]), JSON)))
def test_every_list_of_models_has_a_window_or_none(entries):
    size = window_of("m", [{**each, "id": "m"} for each in entries])
    assert size is None or size > 0
    ended("server model lists", RESULT)


@pytest.mark.slow
@bounded(25)
@given(
    st.lists(
        st.tuples(st.sampled_from([200] * 6 + [400, 401, 404, 413, 422, 429, 500, 503]), bodies()),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_a_run_on_random_answers_gives_every_sample_once_or_ends_with_one_line(server, answers, chat):
    asked = server.requests(4, samples=2, chat=chat)
    server.bodies.clear()
    server.answer = lambda _, before: answers[before % len(answers)]
    found, line = [], ""
    try:
        found.extend(server.sampler(retries=1, concurrency=3).complete(asked, Decoding(max_new_tokens=64)))
    except InputError as error:
        line = str(error)
    assert line or len(found) == 8
    ended("runs on servers", REFUSED if line else RESULT)
    assert "\n" not in line
    keys = [(each.task_id, each.sample_id) for each in found]
    assert len(keys) == len(set(keys))
    assert all(isinstance(each, Completion | Unanswered) for each in found)
    for each in found:
        if isinstance(each, Unanswered):
            assert "\n" not in each.said
            json.dumps(each.row())


@pytest.mark.slow
@bounded(15)
@given(
    st.lists(
        st.tuples(st.sampled_from([200] * 9 + [400, 413, 429, 500]), NEARLY_GOOD.map(json.dumps) | bodies()),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_every_sample_of_a_run_on_random_answers_is_graded_or_counted_as_lost(server, answers, chat):
    server.bodies.clear()
    server.answer = lambda _, before: answers[before % len(answers)]
    benchmark = made_benchmark(*[ONE_TEST] * 3)
    form = PromptFormat("made", "1", lambda problem: [Piece(problem.question)], "test", chat=chat)
    programs = GenerationPlan("m", server.sampler(retries=1), form, Decoding(max_new_tokens=64), n=2)
    plan = Plan(benchmark, programs, Limits(), dict.fromkeys(PROFILES, "1"), page=False)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        try:
            metrics = evaluate(plan, run, lambda: nullcontext(FakeGrader()))
        except InputError:  # the test above looks at its line
            ended("evaluations on servers", REFUSED)
            return
        ended("evaluations on servers", RESULT)
        keys = {
            name: {(row["task_id"], row["sample_id"]) for row in _rows(run / f"{name}.jsonl")}
            for name in ("samples", "lost", "outcomes")
        }
    assert keys["outcomes"] == keys["samples"]
    assert not keys["samples"] & keys["lost"]
    assert len(keys["samples"] | keys["lost"]) == 6
    assert metrics["counts"]["infrastructure_errors"] == 0


def _rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(autouse=True)
def no_noise():
    """The library says at length what was wrong with an answer."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
