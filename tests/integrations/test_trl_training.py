"""TRL's trainers on our rewards: they run, no reward changes nothing, blame lands on the line's tokens."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from harness.errors import InputError
from harness.integrations.scoring import Scored
from harness.types import ErrorInfo, Outcome, Problem, Status, StdinTest, TestKind, TestOutcome, TestSuite
from rltf.integrations.token_feedback import token_advantages

SUITE = TestSuite.pack(TestKind.STDIN, [StdinTest("", "1\n")])
PROBLEM = Problem("one", "", load_suite=lambda: SUITE)
PAIRS = {"inputs": [""], "outputs": ["1\n"]}


def outcome_of(status, error=None):
    statuses = {"strict": status}
    return Outcome("one", 0, statuses, (TestOutcome(statuses, error),), error)


BROKEN = outcome_of(Status.RUNTIME_ERROR, ErrorInfo("ZeroDivisionError", "division by zero", 2))


def characters(text):
    return [(place, place + 1) for place in range(len(text))]


def advantages(scored, text, **options):
    return token_advantages(scored, text, characters(text), profile="strict", penalty=-0.3, **options)


def test_the_penalty_is_for_the_tokens_of_the_blamed_line_where_it_stands_in_the_answer():
    code = "x = 1\nx / 0\ny = 2"
    text = f"Here:\n```python\n{code}\n```"
    found = advantages(Scored(0.0, code, BROKEN, PROBLEM), text)
    first = text.index("x / 0")
    assert found == [-0.3 if first <= place < first + 5 else 0.0 for place in range(len(text))]
    scaled = advantages(Scored(0.0, code, BROKEN, PROBLEM), text, length_ratio=True)
    assert sum(scaled) == pytest.approx(-0.3 * len(text))


def test_nothing_is_blamed_where_nothing_can_be_said_or_the_program_passed_or_was_wrong():
    code = "x = 1\nx / 0"
    lost = Outcome("one", 0, {"strict": Status.NOT_RUN}, infrastructure_error="lost")
    for scored in (
        Scored(None, code, lost, PROBLEM),
        Scored(None, code, None, PROBLEM),
        Scored(0.0),
        Scored(1.0, code, outcome_of(Status.PASSED), PROBLEM),
        Scored(0.0, code, outcome_of(Status.WRONG_ANSWER), PROBLEM),
        Scored(0.0, code.replace("x", "z"), BROKEN, PROBLEM),  # it does not stand in the answer
    ):
        assert not any(advantages(scored, code))


def test_a_program_that_was_cut_off_is_blamed_as_a_whole():
    code = "x = 1\nx / 0"
    assert advantages(Scored(0.0, code, BROKEN, PROBLEM), code, truncated=True) == [-0.3] * len(code)


# --- with TRL -------------------------------------------------------------------------------------


class Planted:
    """A grader whose verdict depends on the place in the batch: error on line 1, passed, lost, wrong, …"""

    def __init__(self):
        self.count = 0

    def submit(self, job):
        lost = Outcome("x", 0, {"strict": Status.NOT_RUN}, infrastructure_error="lost")
        error = ErrorInfo("NameError", "x", 1)
        answers = [
            outcome_of(Status.RUNTIME_ERROR, error), outcome_of(Status.PASSED), lost,
            outcome_of(Status.WRONG_ANSWER),
        ]  # fmt: skip
        future = Future()
        future.set_result(answers[self.count % 4])
        self.count += 1
        return future


@pytest.fixture(scope="module")
def trl():
    return pytest.importorskip("trl")


@pytest.fixture
def train(trl, tiny_checkpoint, tmp_path, monkeypatch):
    """Two steps of a trainer on a tiny model with a planted grader; gives the trainer."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.integrations import scoring
    from harness.integrations.trl import CodeReward

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(scoring, "TRIES", 1)

    def run(trainer_class, config_class, **options):
        folder = tiny_checkpoint("llama")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.pad_token = tokenizer.eos_token
        reward = CodeReward(tests_column="tests", extraction="verbatim")
        reward.scorer.use(Planted())
        rows = [{"prompt": "Write one.", "tests": PAIRS}] * 8
        config = config_class(
            str(tmp_path / "out"), use_cpu=True, bf16=False, num_generations=4, max_steps=2, report_to="none",
            per_device_train_batch_size=4, max_completion_length=12, logging_steps=1, seed=3, **options,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(folder)
        trainer = trainer_class(
            model,
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        batches, loss = [], trainer._generate_and_score_completions

        def spied(inputs):
            batches.append(loss(inputs))
            return batches[-1]

        monkeypatch.setattr(trainer, "_generate_and_score_completions", spied)
        trainer.train()
        return trainer, batches

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GRPO", "RLOO"])
def test_trl_trains_on_our_reward_and_no_reward_moves_nothing(trl, train, name):
    trainer, batches = train(getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config"))
    rows = [row for row in trainer.state.log_history if "rewards/tests_passed/mean" in row]
    assert len(rows) == 2
    assert rows[0]["rewards/tests_passed/mean"] == pytest.approx(1 / 3)  # of the three that have one
    for batch in batches:
        broken, passed, lost, wrong = batch["advantages"].tolist()
        assert lost == 0
        assert max(broken, wrong) < 0 < passed


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["dapo", "grpo"])
def test_token_feedback_blames_the_tokens_of_the_line_and_no_others(trl, train, loss):
    from rltf.integrations.trl import TokenFeedbackGRPOTrainer

    trainer, batches = train(
        TokenFeedbackGRPOTrainer, trl.GRPOConfig, loss_type=loss, mask_truncated_completions=False
    )
    assert len(trainer.state.log_history) >= 2
    batch = batches[0]
    given, mask = batch["advantages"], batch["completion_mask"]
    assert given.shape == mask.shape
    assert not given[mask == 0].any()
    broken, passed, lost, _ = (row[kept.bool()].tolist() for row, kept in zip(given, mask, strict=True))
    # The length limit ended them all: what failed is blamed as a whole.
    assert passed == [pytest.approx(passed[0])] * len(passed)
    assert passed[0] > 0
    assert not any(lost)
    assert max(broken) < -0.3


def test_token_feedback_adds_to_the_advantages_of_trl_on_the_blamed_lines_tokens(
    trl, tiny_checkpoint, monkeypatch
):
    import torch
    from transformers import AutoTokenizer

    from rltf.integrations.trl import TokenFeedbackGRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint("llama"))
    code = "x = 1\nx / 0\ny = 2"
    ids = [*tokenizer(code, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    batch = {
        "completion_ids": torch.tensor([[*ids, 0, 0]] * 2),
        "completion_mask": torch.tensor([[1] * len(ids) + [0, 0]] * 2),
        "advantages": torch.tensor([-1.0, 1.0]),
    }
    monkeypatch.setattr(trl.GRPOTrainer, "_generate_and_score_completions", lambda *_: dict(batch))
    trainer = object.__new__(TokenFeedbackGRPOTrainer)
    trainer.processing_class, trainer._spans = tokenizer, None
    trainer._fine_penalty, trainer._length_ratio = -0.3, False
    scored = (Scored(0.0, code, BROKEN, PROBLEM), Scored(1.0, code, outcome_of(Status.PASSED), PROBLEM))
    trainer._code_reward = SimpleNamespace(last=scored, scorer=SimpleNamespace(profile="strict"))
    broken, passed = trainer._generate_and_score_completions([])["advantages"].tolist()
    assert passed == [1.0] * len(ids) + [0.0, 0.0]
    blamed = [place for place, value in enumerate(broken) if value == pytest.approx(-1.3)]
    assert [value for place, value in enumerate(broken) if place not in blamed] == [-1.0] * (
        len(ids) - len(blamed)
    ) + [0.0, 0.0]
    assert tokenizer.decode([ids[place] for place in blamed]).strip() == "x / 0"


def test_a_version_that_was_not_tested_and_a_missing_reward_are_refused(trl):
    from rltf.integrations.trl import check_version

    check_version("1.16.3")
    with pytest.raises(InputError, match=r"tested with trl 1\.16, found 1\.17\.0"):
        check_version("1.17.0")


def test_a_trl_that_takes_none_for_zero_is_refused(monkeypatch):
    from harness.integrations import trl as adapter

    monkeypatch.setattr(adapter, "version", lambda _: "1.5.2")
    with pytest.raises(InputError, match=r"trl>=1\.6"):
        adapter.CodeReward(tests_column="tests")
    monkeypatch.setattr(adapter, "version", lambda _: "1.16.0")
    assert adapter.CodeReward(tests_column="tests").last == ()
