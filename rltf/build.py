"""From a model, problems and options to a trainer that is ready to train.

Covers: putting the parts together, and refusing what cannot work before anything is computed.
Does not cover: loading models and problems, evaluation (`rltf.train`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, set_seed

from harness.errors import InputError
from harness.evaluate.evaluation import Grader
from harness.models.hf.adapters import import_peft
from harness.models.hf.loading import check
from harness.models.hf.sampler import LocalSampler
from harness.models.prompt_choice import format_of_model
from harness.prompts import find_format
from harness.types import Benchmark, Problem, PromptFormat
from rltf.config import RLTFConfig
from rltf.data.batch import Tokens
from rltf.data.microbatches import Stream
from rltf.data.solutions import Solutions
from rltf.monitoring.metrics import Meter
from rltf.objectives.base import Objective
from rltf.rollout.draws import Sampling
from rltf.rollout.ray_resources import Need, check_room, reserved
from rltf.rollout.replay_buffer import OnlineBuffer
from rltf.rollout.rollout import Rollouts
from rltf.rollout.sampler_process import SamplerProcess
from rltf.rollout.schedule import Awaited, Beside, Inline, Overlapped, PublishedSampler, Source
from rltf.run.memory import check_memory
from rltf.trainer import RLTFTrainer


def make_trainer(
    model: Any,
    tokenizer: Any,
    config: RLTFConfig,
    benchmark: Benchmark,
    *,
    rewarding: Sequence[Problem] = (),
    grader: Grader | None = None,
    callbacks: Iterable[TrainerCallback] = (),
) -> RLTFTrainer:
    """A trainer of `model` on `benchmark`.

    Args:
        model: Causal or seq2seq, of transformers.
        tokenizer: The model's, a fast one.
        config: All options.
        benchmark: Whose problems' solutions supervised rows are made of; its training split.
        rewarding: Problems to sample programs for; each must be one that the grader can judge
            (`rltf.rollout.problem_filter`).
        grader: Running; needed by methods that sample programs.
        callbacks: Run after the trainer's own.

    Raises:
        InputError: If model, problems and options cannot be trained with.
    """
    check_split(benchmark)
    meter = Meter()
    objective = config.make_objective()
    check_memory(model, config, objective)
    tokens = Tokens(
        model, tokenizer, max_prompt_tokens=config.max_prompt_tokens, max_target_tokens=config.max_new_tokens
    )
    prompt_format = format_of_model(benchmark, model, tokenizer, name=config.prompt_format)
    solutions = Solutions(
        benchmark.problems[: config.sl_problems],
        find_format(benchmark, config.sl_prompt_format or prompt_format.name),
        tokens,
        seed=config.seed,
        per_problem=config.solutions_per_problem,
        share=(config.process_index, config.world_size),
    )
    objective.solutions = solutions.examples
    buffer = OnlineBuffer(config.buffer_size, rule=config.buffer_rule, seed=config.seed)
    stream = Stream(config, tokens, solutions, buffer, meter=meter)
    source = None
    if config.online:
        rollouts = _rollouts(config, objective, rewarding, prompt_format)
        model = model.to(config.device)  # a sampler must not outlive a move of its model
        source = _source(model, tokenizer, config, rollouts, grader)
    return RLTFTrainer(
        model,
        config,
        objective=objective,
        stream=stream,
        meter=meter,
        prompt_format=prompt_format,
        source=source,
        processing_class=tokenizer,
        callbacks=callbacks,
    )


def with_adapters(model: Any, config: RLTFConfig) -> Any:
    """The model, or LoRA adapters on it if the options ask for them.

    Raises:
        InputError: If peft is not installed.
    """
    if not config.lora_rank:
        return model
    peft = import_peft("lora_rank")
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    settings = peft.LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type=kind
    )
    set_seed(config.seed)  # adapters start at random
    return peft.get_peft_model(model, settings)


def check_split(benchmark: Benchmark) -> None:
    """Refuse what must not be, or cannot be, trained on.

    Raises:
        InputError: For a test split or an empty benchmark.
    """
    if benchmark.split == "test":
        raise InputError(
            f"the test split of {benchmark.name} is for evaluation, never for training; pass --split train"
        )
    if not benchmark.problems:
        raise InputError(f"{benchmark.name} has no problems in split {benchmark.split}; choose other ones")


def check_models(model: str | None, config: RLTFConfig) -> None:
    """Refuse checkpoints that cannot be loaded, as far as is known without their weights.

    Args:
        model: Of the policy; `None` where it is made on the spot.
        config: Of the run.

    Raises:
        InputError: As `harness.models.hf.loading.check`, or if peft is missing.
    """
    if config.lora_rank:
        import_peft("lora_rank")
    for name in (*([] if model is None else [model]), *config.make_objective().own_checkpoints()):
        check(name, dtype=config.dtype, device=str(config.device))


def check_sampler(config: RLTFConfig) -> None:
    """Refuse samplers that there is no place for, as far as can be said before a model is loaded.

    Raises:
        InputError: As `rltf.rollout.ray_resources.check_room`, or where each process has a part of the
            weights only.
    """
    if config.online and config.cuts_weights:
        raise InputError(
            "programs cannot be sampled from weights that are cut apart (FSDP, ZeRO-3); use DDP or ZeRO-2,"
            " or --method sft"
        )
    if config.online and config.sampler == "ray":
        check_room(config.ray or "auto", sampler_need(config), config.samplers)


def check_rewarding(problems: Sequence[Problem], config: RLTFConfig) -> Sequence[Problem]:
    """This process's share of the problems to sample programs for.

    Raises:
        InputError: If there is none, or they are too few to fill the buffer.
    """
    share = problems[config.process_index :: config.world_size]
    available = len(share) * config.samples_per_problem
    if not available:
        raise InputError(
            "no problem can reward a program: none has tests that a solution of its own passes; choose others"
        )
    if config.buffer_fill > available:
        raise InputError(
            f"the buffer is to be filled with {config.buffer_fill} programs, and {len(share)} problems with"
            f" {config.samples_per_problem} programs each give {available}; pass --set"
            f" buffer_fill={available}"
        )
    return share


def _rollouts(
    config: RLTFConfig, objective: Objective, rewarding: Sequence[Problem], prompt_format: PromptFormat
) -> Rollouts:
    sampling = Sampling(
        samples_per_problem=config.samples_per_problem,
        temperatures=config.temperatures,
        top_p=config.top_p,
        top_k=config.top_k,
        max_new_tokens=config.max_new_tokens,
        seed=config.seed,
    )
    share = check_rewarding(rewarding, config)
    return Rollouts(
        share,
        prompt_format,
        sampling,
        objective,
        config.profile,
        config.keep_zero_advantage,
        config.rewards.feedback,
        held_back=config.held_back,
        unsolvable=config.unsolvable,
    )


def _source(
    model: Any, tokenizer: Any, config: RLTFConfig, rollouts: Rollouts, grader: Grader | None
) -> Source:
    if grader is None:
        raise InputError(f"method {config.method} needs a running grader: with harness.Runner() as grader: …")
    options: dict[str, Any] = {
        "source_tokens": config.max_prompt_tokens,
        "batch_size": config.sample_batch_size,
        "trace": True,
    }
    if config.sampler in ("process", "ray"):
        elsewhere = _sampler_elsewhere(model, tokenizer, config, options)
        return (Awaited if config.waits_for_samples else Beside)(rollouts, elsewhere, grader)
    kind = Overlapped if config.sampler == "overlapped" else Inline
    return kind(rollouts, LocalSampler(model, tokenizer, **options), grader)


def _sampler_elsewhere(
    model: Any, tokenizer: Any, config: RLTFConfig, options: Mapping[str, Any]
) -> PublishedSampler:
    if config.sampler == "process":
        return SamplerProcess(model, tokenizer, device=config.sampler_device, **options)
    from rltf.rollout.ray_samplers import RaySamplers  # noqa: PLC0415 - for one sampler alone

    share = (config.process_index, config.world_size)
    places = reserved(config.ray or "auto", sampler_need(config), config.samplers, share=share)
    return RaySamplers(places, model, tokenizer, **options)


def sampler_need(config: RLTFConfig) -> Need:
    """What each sampler reserves with `sampler=ray`."""
    gpus = float(config.device.type == "cuda") if config.sampler_gpus is None else config.sampler_gpus
    return Need(config.sampler_cpus, gpus)
