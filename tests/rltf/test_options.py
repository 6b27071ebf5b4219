"""Options by name, presets, and what is refused in one line."""

import pytest
from cases import cases

pytest.importorskip("transformers")

from harness.errors import InputError
from rltf.lr_schedules import share_of_rate
from rltf.options.parse import make_config
from rltf.presets import EVALUATIONS, PRESETS, WARM_STARTS
from rltf.rewards.rltf import PAPER, RELEASED, RewardConfig


def config(preset=None, *settings, **fixed):
    return make_config(
        preset, settings, **({"output_dir": "unused", "use_cpu": True, "max_steps": 9} | fixed)
    )


@cases("preset", PRESETS)
def test_every_preset_is_a_configuration(preset):
    assert config(preset).rewards == PRESETS[preset]["rewards"]


def test_the_paper_and_the_released_code_differ_where_they_are_said_to():
    paper, released = config("paper"), config("released")
    differing = {name for name, value in paper.identity().items() if value != released.identity()[name]}
    assert differing == {
        "rewards", "warmup_log", "temperatures", "top_k", "mixing", "sl_prompt_format", "buffer_rule",
    }  # fmt: skip
    assert (paper.rewards, released.rewards) == (PAPER, RELEASED)
    assert (paper.temperatures, released.temperatures) == ((1.0,), (0.6,))
    assert paper.buffer_size == paper.buffer_fill == released.buffer_size == 6400
    assert paper.refresh_every == released.refresh_every == 50
    assert paper.per_device_train_batch_size * paper.gradient_accumulation_steps == 32


def test_settings_go_over_the_preset_and_reach_every_kind_of_option():
    found = config(
        "paper",
        "learning_rate=1e-4",
        "baseline=greedy",
        "temperatures=[0.6,1.0]",
        "fine=false",
        "mixing=alternate",
    )
    assert found.learning_rate == 1e-4
    assert (found.rewards.baseline, found.rewards.fine) == ("greedy", False)
    assert found.temperatures == (0.6, 1.0)
    assert found.mixing == "alternate"


def test_as_many_programs_come_as_are_drawn_between_refreshes():
    # 50 steps of 8 micro-batches: 2 of 4 rows each, or every other micro-batch whole.
    assert config("paper").programs_per_refresh == 50 * 8 * 2
    assert config("released").programs_per_refresh == 50 * 4 * 4
    assert config("paper", "refresh_size=64").programs_per_refresh == 64


def test_the_presets_that_make_a_model_have_a_warm_start_and_an_evaluation():
    assert set(WARM_STARTS) == set(EVALUATIONS) == {"mini", "mini-quick"}


def test_the_configuration_is_plain_values_for_reports():
    assert '"baseline": "historical_best"' in config("paper").to_json_string()


@cases(
    ("settings", "message"),
    [
        (["learning_rat=1"], "did you mean learning_rate"),
        (["zzz=1"], "unknown option 'zzz'"),
        (["learning_rate"], "write name=value"),
        (["baseline=best"], "historical_best"),
        (["fine=maybe"], "fine must be true or false, got 'maybe'"),
        (["mixing=sometimes"], "together, alternate"),
        (["method=pgo"], "rltf, sft"),
        (["buffer_fill=9000"], "between 1 and buffer_size"),
        (["temperatures=[]"], "positive"),
        (["temperatures=[0]"], "temperatures must be above 0, got 0.0"),
        (["samples_per_problem=0"], "at least 1"),
        (["per_device_train_batch_size=1"], "cannot hold both kinds"),
        (["max_steps=0"], "--steps"),
        (["lr_scheduler_type=loop"], "lr_scheduler_type must be one of linear, .*warmup_log, got 'loop'"),
        (["rl_share=1.5"], "rl_share must be at least 0 and at most 1, got 1.5"),
        (["rl_share=-1"], "rl_share must be at least 0"),
        (["sl_weight=high"], "sl_weight must be a number, got 'high'"),
        (["sl_weight=nan"], "sl_weight must be a number, got 'nan'"),
        (["passed=1e999"], "passed must be a number"),
        (["lora_rank=-3"], "lora_rank must be at least 0, got -3"),
        (["refresh_every=2.5"], "refresh_every must be none or a whole number, got '2.5'"),
        (["refresh_every=99999999999999"], "refresh_every must be at least 1 and at most 2147483647"),
        (["top_p=2"], "top_p must be at most 1 and above 0|top_p must be above 0 and at most 1"),
        (["cpu_seconds=-1"], "cpu_seconds must be"),
        (["profile=foo"], "unknown profile 'foo'; available: strict, apps"),
        (["dtype=int8"], "unknown dtype 'int8'"),
        (["train_problems=0"], "train_problems must be at least 1"),
        (["train_problems=all"], "train_problems must be none or a whole number, got 'all'"),
        (["temperatures=warm"], "temperatures must be a number"),
        (["temperatures=[1.0,-1]"], "temperatures must be above 0, got -1.0"),
        (["bf16=maybe"], "bf16 must be true or false"),
        (["optim=adamm"], "optim must be one of adamw_torch"),
        (["optim_args=speed"], "optim, optim_args"),
        (["lr_scheduler_type=cosine_with_min_lr"], "lr_scheduler_type or lr_scheduler_kwargs: "),
        (["lr_scheduler_kwargs=3"], "lr_scheduler_kwargs must be none or a JSON object"),
        (
            ["lr_scheduler_type=cosine_with_restarts", 'lr_scheduler_kwargs={"a":1}'],
            "lr_scheduler_type or lr_scheduler_kwargs: ",
        ),
        (["warmup_log=true", "lr_scheduler_type=cosine"], "warmup_log is the rise"),
        (["baseline=group_mean", "samples_per_problem=1"], "one is its own mean"),
        (["learning_rate=-1"], "learning_rate must be at least 0"),
        (["seed=-1"], "seed must be at least 0 and at most 4294967295"),
        (["gradient_accumulation_steps=-99999999999"], "must be at least 1, got"),
        (["lora_alpha=4294967296"], "at most 2147483647"),
        (["logging_steps=0"], "logging_steps must be above 0"),
        (["save_strategy=best"], "unknown save_strategy 'best'|save_strategy"),
        (["log_level=loud"], "unknown log_level 'loud'; available: .*warning"),
        (["report_to=nobody"], "report_to=nobody: not known or not installed"),
        (["eval_strategy=steps"], "eval_strategy is not set like this: .*--eval-every"),
        (["output_dir=x"], "it is --out"),
        (["resume_from_checkpoint=true"], "it is --resume"),
        (["deepspeed=/no/such/file.json"], "do not go together"),
        (["sampler_device=gpu:0"], "sampler_device=gpu:0: "),
        (["parallelism_config=1"], "parallelism_config must be"),
        (["dataloader_prefetch_factor=3"], "do not go together"),
    ],
)
def test_bad_options_are_refused_in_a_line(settings, message):
    with pytest.raises(InputError, match=message):
        make_config(
            "paper",
            settings,
            output_dir="unused",
            use_cpu=True,
            **({} if "max_steps=0" in settings else {"max_steps": 9}),
        )


def test_an_option_means_what_its_type_makes_of_the_word():
    found = config(
        "paper", "bf16=False", "keep_zero_advantage=no", "fine=off", "temperatures=0.6", "train_problems=none"
    )
    assert (found.bf16, found.keep_zero_advantage, found.rewards.fine) == (False, False, False)
    assert (found.temperatures, found.train_problems) == ((0.6,), None)
    assert config("paper", "bf16=True").bf16 is True
    assert config("paper", "report_to=none").report_to == []
    assert config("paper", 'run_name="a b"', "weight_decay=1e-2").run_name == "a b"
    assert config("paper", 'lr_scheduler_kwargs={"num_cycles": 2}', "lr_scheduler_type=cosine_with_restarts")


def test_rates_may_be_of_any_size_and_seeds_have_32_bits():
    assert config("paper", "learning_rate=1e30", "max_grad_norm=3e38").learning_rate == 1e30
    assert config("paper", f"seed={2**32 - 1}").seed == 2**32 - 1


def test_flags_and_callers_from_python_meet_the_same_bounds():
    for options in (
        {"seed": -1},
        {"seed": 2**32},
        {"graders": 0},
        {"rl_share": 1.5},
        {"report_to": ["nobody"]},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            config("paper", **options)
    with pytest.raises(InputError, match="passed must be"):
        RewardConfig(passed=float("nan"))


def test_the_released_schedule_rises_by_the_logarithm():
    found = config("released")
    assert (found.warmup_log, found.lr_scheduler_type) == (True, "constant_with_warmup")
    # By hand: ln 1 = 0, ln 51 / ln 500 = 0.633, ln 500 / ln 500 = 1.
    shares = [share_of_rate(step, warmup_steps=500) for step in (0, 50, 499, 500, 10_000)]
    assert shares == pytest.approx([0, 0.63268, 1, 1, 1], abs=1e-5)
    assert not config("paper").warmup_log


def test_an_unknown_preset_is_refused_with_those_that_exist():
    with pytest.raises(InputError, match=r"available: paper, released, .*mini, mini-quick"):
        config("papper")


# --- PPOCoder ------------------------------------------------------------------------------------


def test_ppocoders_code_differs_from_its_paper_where_it_is_said_to():
    pytest.importorskip("tree_sitter")
    paper, released = config("ppocoder").identity(), config("ppocoder-released").identity()
    differing = {name for name in paper | released if paper.get(name) != released.get(name)}
    assert differing == {"term_options", "objective", "max_new_tokens"}
    assert released["objective"]["whiten"] == "sequence"


def test_settings_go_over_the_options_that_a_preset_has_for_its_method_and_terms():
    pytest.importorskip("tree_sitter")
    found = config("ppocoder-released", "whiten=none", "ast.references=3")
    assert (found.objective.whiten, found.objective.aggregation) == ("none", "sequence_mean")
    assert found.term_options["ast"] == {"comments": "c", "references": 3}
    assert found.term_options["coarse"]["failure"] == 1.0


def test_another_method_over_a_preset_has_its_own_options():
    pytest.importorskip("tree_sitter")
    assert config("ppocoder-released", "samples_per_problem=2", method="grpo").objective.beta == 0
