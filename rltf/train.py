"""Train a model, then evaluate it: the main path of `rltf train`, from top to bottom.

Audit the problems, load the model (made and warm-started if none is named), evaluate it, train it, evaluate
it again, compare. The run folder may be left at any moment: the same call with `resume` goes on from the
newest whole checkpoint and, on a CPU, ends with the same weights. Until then no other process gets it.
Does not cover: the arguments (`rltf.commands.train`), a step of training (`rltf.trainer`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback

from harness.cluster import RayNodes
from harness.errors import InputError
from harness.extraction import versioned
from harness.machine_limits import available_processors, local_share
from harness.models.hf.loading import Loaded, load
from harness.models.presets import Settings
from harness.prompts import find_format
from harness.prompts.trained import note_trained
from harness.report.sampling_progress import SamplingProgress, SilentSampling
from harness.run_store.lock import locked
from harness.runner import Runner
from harness.types import Benchmark, Limits, Problem
from rltf.build import check_rewarding, check_sampler, check_split, make_trainer, with_adapters
from rltf.config import RLTFConfig
from rltf.evaluation.comparison_report import write_outcome
from rltf.evaluation.evaluations import EvaluateEvery, Evaluations
from rltf.monitoring.callbacks import Console
from rltf.monitoring.trackers import AFTER, BEFORE, TRAIN, WARM_START, Trackers, replace_callbacks, trackers
from rltf.rollout.problem_filter import audit
from rltf.run import checkpoints
from rltf.run.manifest import adopt_folder
from rltf.trainer import RLTFTrainer

MODEL = "model"
"""Folder of the trained model."""
FORMAT = 1
"""Raised when `training.json` changes its meaning."""


@dataclass(frozen=True)
class Training:
    """What `rltf train` was asked for."""

    out: Path
    config: RLTFConfig
    """Its `output_dir` is `out`."""
    model: str | None
    """Hub id or folder; `None` has a small one made (`rltf.tiny_model`)."""
    benchmark: Benchmark
    evaluate_on: Sequence[Benchmark]
    settings: Settings
    """Of the evaluations."""
    warm_start: RLTFConfig | None = None
    """A supervised stage before training proper, whose end is the start; its `output_dir` is in `out`."""
    toy_kind: str = "causal"
    evaluate_every: int | None = None
    evaluate_every_on: int = 100
    """Problems of each benchmark for the evaluations in between."""
    cache: Path | None = None
    """Verdicts and audits of earlier runs."""
    command: str = ""
    progress: Callable[[], SamplingProgress] = SilentSampling
    say: Callable[[str], None] = lambda line: None
    """Told what is being done, in a line each."""


def train(training: Training, *, resume: bool = False) -> dict[str, Any]:
    """Do all of it, or go on; returns the content of `comparison.json`.

    Raises:
        InputError: If model, problems, options or folder are not what they should be; checkpoints are kept.
    """
    _check(training)
    identity = _identity(training)
    about = {name: identity[name] for name in ("model", "benchmark", "prompt")}
    with (
        _folder_of(training, identity, resume=resume),
        trackers(training.config, about, resumed=resume) as told,
    ):
        _train(training, told)
        if training.config.process_index:
            return {}
        names = [benchmark.name for benchmark in training.evaluate_on]
        return write_outcome(training.out, names, training.config.profile, _introduction(training))


def _train(training: Training, told: Trackers) -> None:
    with _runner(training) as runner:
        rewarding = _rewarding(training, runner)
        start = training.model or _made_model(training)
        if training.warm_start is not None:
            start = _warm_started(training, start, told)
        evaluations = _evaluations(training, runner, start)
        with closing(_trainer(training, _load(start, training.config), rewarding, evaluations)) as trainer:
            training.say("evaluating the starting point")
            evaluations.run(trainer.model, trainer.processing_class, BEFORE)
            told.evaluated(evaluations.folder, BEFORE, 0)
            training.say(f"training: {training.config.method}, {training.config.max_steps} steps")
            _run(trainer, training.config, training.say, told, TRAIN)
            training.say("evaluating the end")
            evaluations.run(_whole_model(trainer), trainer.processing_class, AFTER)
            told.evaluated(evaluations.folder, AFTER, training.config.max_steps)


# --- before training -----------------------------------------------------------------------------


def _check(training: Training) -> None:
    """Refuse what can be known to fail before anything is made, loaded or graded."""
    config = training.config
    check_split(training.benchmark)
    if config.online:
        check_rewarding(training.benchmark.problems, config)
    if config.cuts_weights and training.evaluate_every is not None:
        raise InputError("with FSDP or ZeRO-3 there is no evaluation in between; leave --eval-every out")
    for benchmark in training.evaluate_on:
        if training.settings.format not in (None, config.prompt_format):
            find_format(benchmark, training.settings.format)
    check_sampler(config)


@contextmanager
def _folder_of(training: Training, identity: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
    """The run folder, which is this training's and no other process's until its end."""
    if training.config.process_index:  # the first process of a launch has it for all
        yield
        return
    with locked(training.out):
        adopt_folder(training.out, identity, training.config, resume=resume, command=training.command)
        yield


def _identity(training: Training) -> dict[str, Any]:
    """What a resumed run must have as before."""
    benchmark, warm = training.benchmark, training.warm_start
    form = find_format(benchmark, training.config.prompt_format)
    return {
        "model": training.model or f"made here ({training.toy_kind})",
        "benchmark": f"{benchmark.name} {benchmark.split} {benchmark.version} {benchmark.dataset_hash}",
        "problems": sha256("\n".join(p.task_id for p in benchmark.problems).encode()).hexdigest(),
        "prompt": f"{form.name}@{form.version}",
        "extraction": versioned(form.extraction),
        "processes": training.config.world_size,
        "options": training.config.identity(),
        "warm_start": None if warm is None else warm.identity(),
    }


def _runner(training: Training) -> Runner:
    """The one runner of this training: its rewards and its evaluations are the same verdicts."""
    seconds = training.config.cpu_seconds
    costly = Limits().costly_tests_after_failure if training.config.cut_failing else None
    limits = Limits(cpu_seconds=seconds, load_cpu_seconds=seconds, costly_tests_after_failure=costly)
    # A cache is one process's; the others of a launch do without.
    cache = training.cache if training.config.process_index == 0 else None
    workers = _workers(training.config)
    judged = [name for each in (training.benchmark, *training.evaluate_on) for name in each.profiles]
    return Runner(workers, limits, tuple(dict.fromkeys([*judged, training.config.profile])), cache)


def _workers(config: RLTFConfig) -> int | RayNodes:
    """The other processes of the launch grade too, at the same time."""
    where = config.grade_on or ("here" if config.ray is None or config.sampler == "ray" else "ray")
    if where == "here":
        return local_share(config.graders or available_processors())
    spare = math.ceil(config.sampler_cpus) if config.sampler == "ray" else 0
    return RayNodes(config.ray or "auto", config.graders, spare=spare, shared_by=config.world_size)


def _rewarding(training: Training, runner: Runner) -> Sequence[Problem]:
    """The problems that programs are sampled for."""
    config = training.config
    if not config.online:
        return ()
    with config.main_process_first(desc="audit"):
        found = audit(training.benchmark, runner, profile=config.profile, cache=training.cache)
    training.say(
        f"{len(found.sound):,} of {len(training.benchmark):,} problems can reward a program:"
        f" {found.without_tests:,} have no tests, {found.failing:,} fail with their own solutions"
    )
    check_rewarding(found.sound, config)
    return found.sound


def _made_model(training: Training) -> str:
    """A small model, made from the training problems; the folder that it is in."""
    from rltf.tiny_model import make_toy  # noqa: PLC0415 - only where no model is named

    folder = training.out / "made-model"
    with training.config.main_process_first(desc="model"):
        if not folder.exists():
            with _whole_folder(folder) as temporary:
                make_toy(
                    temporary,
                    training.benchmark,
                    kind=training.toy_kind,
                    solved=training.config.sl_problems,
                    seed=training.config.seed,
                )
    return str(folder)


def _warm_started(training: Training, start: str, told: Trackers) -> str:
    """The model after a supervised stage; the folder that it is in."""
    config = training.warm_start
    assert config is not None  # noqa: S101 - the caller asked
    folder = Path(str(config.output_dir), MODEL)
    if not folder.exists():
        training.say(f"warm start: {config.max_steps} supervised steps")
        loaded = _load(start, config)
        with closing(make_trainer(loaded.model, loaded.tokenizer, config, training.benchmark)) as trainer:
            _run(trainer, config, training.say, told, WARM_START)
    return str(folder)


def _load(name: str, config: RLTFConfig) -> Loaded:
    return load(name, dtype=config.dtype, device=str(config.device))


def _evaluations(training: Training, runner: Runner, start: str) -> Evaluations:
    return Evaluations(
        training.out / "eval",
        training.evaluate_on,
        training.settings,
        runner,
        model_name=training.model or Path(start).name,
        progress=training.progress,
        command=training.command,
        prompt_format=training.config.prompt_format,
    )


# --- training ------------------------------------------------------------------------------------


def _trainer(
    training: Training, loaded: Loaded, rewarding: Sequence[Problem], evaluations: Evaluations
) -> RLTFTrainer:
    """Made before anything is evaluated, so that what cannot be trained is refused at once."""
    config = training.config
    trainer = make_trainer(
        with_adapters(loaded.model, config),
        loaded.tokenizer,
        config,
        training.benchmark,
        rewarding=rewarding,
        grader=evaluations.runner,
    )
    if training.evaluate_every is not None:
        some = evaluations.first(training.evaluate_every_on)
        trainer.add_callback(EvaluateEvery(some, training.evaluate_every, config.profile, trainer))
    return trainer


def _whole_model(trainer: RLTFTrainer) -> Any:
    """The trained model, of which each process can sample by itself."""
    if not trainer.args.cuts_weights:
        return trainer.model
    return _load(str(Path(str(trainer.args.output_dir), MODEL)), trainer.args).model


def _run(
    trainer: RLTFTrainer, config: RLTFConfig, say: Callable[[str], None], told: Trackers, stage: str
) -> None:
    """Train from the newest whole checkpoint, if there is one, and save the model."""
    out = Path(str(config.output_dir))
    for theirs in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(theirs)
    trainer.add_callback(Console(say))
    replace_callbacks(trainer, told, stage)
    checkpoint = checkpoints.newest(out)
    if checkpoint is not None:
        say(f"going on from {checkpoint.name}")
    trainer.train(None if checkpoint is None else str(checkpoint))
    with checkpoints.saving(out / MODEL), _whole_folder(out / MODEL, write=config.should_save) as folder:
        trainer.save_model(str(folder))
        if config.should_save and trainer.prompt_format is not None:
            note_trained(folder, trainer.prompt_format)
    trainer.accelerator.wait_for_everyone()


@contextmanager
def _whole_folder(folder: Path, *, write: bool = True) -> Iterator[Path]:
    """A folder to write into, which gets its name when it is whole."""
    temporary = folder.with_name(folder.name + ".tmp")
    if write:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    yield temporary
    if write:
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)


def _introduction(training: Training) -> list[str]:
    config, benchmark = training.config, training.benchmark
    made = training.model or f"a {training.toy_kind} model made for {benchmark.name}"
    warm = training.warm_start
    samples = "1 sample" if training.settings.n == 1 else f"{training.settings.n} samples"
    stages = [
        *([f"{warm.max_steps} supervised steps before (they are part of 'before')"] if warm else []),
        f"{config.max_steps} steps of {config.method}",
    ]
    return [
        f"{made}, trained on {len(benchmark):,} problems of {benchmark.name} ({benchmark.split}):"
        f" {', then '.join(stages)}.",
        f"Evaluated with {samples} of each problem; seed {config.seed}.",
    ]
