"""A small model and its tokenizer, made on the spot, so that training can be tried without any download.

The tokenizer learns from the prompts of the problems and from the programs that the supervised stage will
see, and from no others. It merges across words and blanks but not across lines or digits, so that a line
of mini's small solution language becomes a token or two: a prompt of 35 tokens and a program of 15 make a
training step of a million-parameter model a matter of a tenth of a second on one core.
Covers: both kinds of model that the trainer knows; equal arguments give equal files.
Does not cover: training it (`rltf.train`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.prompts import find_format, make_prompt
from harness.types import Benchmark

KINDS = ("causal", "seq2seq")
PAD, BEGIN, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
VOCABULARY = 1500
"""Tokens, the 256 bytes among them, so that nothing is unknown."""
CONTEXT = 512
_PIECES = r"\n *|[^\n0-9]+|[0-9]"
"""A line end with the next line's indentation, a line's text up to a digit, a digit."""
_PROGRAM_WEIGHT = 4
"""Programs count so often, as there are fewer of them and they are what is written."""


def make_toy(
    folder: Path,
    benchmark: Benchmark,
    *,
    kind: str = "causal",
    solved: int | None = None,
    seed: int = 0,
    width: int = 128,
    layers: int = 3,
) -> None:
    """Write an untrained checkpoint, as `from_pretrained` reads it, into `folder`.

    Args:
        folder: Exists already or not.
        benchmark: Training problems; the tokenizer learns their prompts.
        kind: One of `KINDS`: a Llama, or a T5 with as many layers in encoder and decoder together.
        solved: Problems, from the first on, whose programs the tokenizer learns too; `None` for all.
        seed: Of the weights.
        width: Of the hidden states; a multiple of 32.
        layers: Of the model.

    Raises:
        InputError: If there is no such kind, or no problem has a solution.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind of model {kind!r}; available: {', '.join(KINDS)}")
    tokenizer = build_tokenizer(benchmark, solved=solved)
    model = _build_model(kind, len(tokenizer), seed=seed, width=width, layers=layers)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def build_tokenizer(benchmark: Benchmark, *, solved: int | None = None, size: int = VOCABULARY) -> Any:
    """A byte-level BPE tokenizer of the benchmark's prompts and of the first `solved` problems' programs.

    Raises:
        InputError: If none of these problems has a solution.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - heavy, for those who make a model

    prompt_format = find_format(benchmark)
    prompts = [make_prompt(prompt_format, problem).text for problem in benchmark.problems]
    programs = _programs(benchmark, solved)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=[PAD, BEGIN, END, UNKNOWN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(prompts + programs * _PROGRAM_WEIGHT, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def _programs(benchmark: Benchmark, solved: int | None) -> list[str]:
    programs = [solution for problem in benchmark.problems[:solved] for solution in problem.solutions[:1]]
    if not programs:
        raise InputError(f"{benchmark.name} has no solutions among the problems to train on; choose others")
    return programs


def _build_model(kind: str, vocabulary: int, *, seed: int, width: int, layers: int) -> Any:
    """Untrained, from `seed` alone."""
    import torch  # noqa: PLC0415 - heavy, for those who make a model
    from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration  # noqa: PLC0415

    tokens: dict[str, Any] = {
        "vocab_size": vocabulary,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "causal":
            return LlamaForCausalLM(
                LlamaConfig(
                    **tokens,
                    hidden_size=width,
                    intermediate_size=width * 8 // 3 // 8 * 8,
                    num_hidden_layers=layers,
                    num_attention_heads=width // 32,
                    max_position_embeddings=CONTEXT,
                    tie_word_embeddings=True,
                    # The library's 0.02 is for widths of thousands; at 128 it costs half of the warm start.
                    initializer_range=0.06,
                )
            )
        return T5ForConditionalGeneration(
            T5Config(
                **tokens | {"decoder_start_token_id": 0},
                d_model=width,
                d_kv=32,
                d_ff=width * 4,
                num_heads=width // 32,
                num_layers=layers - layers // 2,
                num_decoder_layers=max(1, layers // 2),
                dropout_rate=0.0,
            )
        )
