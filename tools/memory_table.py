"""Write the table of memory into docs/methods.md, from the plan that a training is refused by. `make docs`.

The sizes are those of SmolLM2-135M and CodeT5-large (770M), by their published config.json, without weights.
A test compares the file with `written`.
"""

from __future__ import annotations

import sys
from pathlib import Path

METHODS = Path(__file__).resolve().parents[1] / "docs" / "methods.md"
BEGIN, END = "<!-- memory: made by make docs -->\n", "<!-- end of memory -->\n"
PARTS = ("policy", "gradients", "optimiser", "reference", "critic", "critic's training", "value head")
ROWS = (
    ("sft", ()),
    ("rltf", ()),
    ("rltf, critic=frozen", ("critic=frozen",)),
    ("grpo, dr_grpo, dapo, gspo", ("method=grpo",)),
    ("these with beta > 0; rloo", ("method=rloo",)),
    ("the same, frozen_dtype=bfloat16", ("method=rloo", "frozen_dtype=bfloat16")),
    ("coderl", ("method=coderl",)),
    ("coderl, critic=head", ("method=coderl", "critic=head")),
    ("ppo", ("method=ppo",)),
)
"""What the row says, and the options that differ from the defaults."""
SAMPLING = ("top_p=1",)
"""What ratios of probabilities need."""


def sizes() -> dict[str, object]:
    """Models on the meta device, by name."""
    import torch  # noqa: PLC0415 - slow to import
    from transformers import (  # noqa: PLC0415 - the same
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )

    with torch.device("meta"):
        small = LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
            num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
        )  # fmt: skip
        large = T5Config(vocab_size=32100, d_model=1024, d_ff=4096, d_kv=64, num_layers=24, num_heads=16)
        return {
            "135M (SmolLM2, causal)": LlamaForCausalLM(small),
            "770M (CodeT5-large, seq2seq)": T5ForConditionalGeneration(large),
        }


def render() -> str:
    """The tables as Markdown."""
    from rltf.options.parse import make_config  # noqa: PLC0415 - imports transformers
    from rltf.run.memory import at_once, gib, plan, size_of  # noqa: PLC0415 - the same

    lines = []
    for name, model in sizes().items():
        size = size_of(model)
        lines += [f"{name}, {size.weights:,} weights, GiB:", ""]
        lines += [f"| method | {' | '.join(PARTS)} | at once |", f"|---|{'--:|' * (len(PARTS) + 1)}"]
        for title, settings in ROWS:
            method = "sft" if title == "sft" else None
            config = make_config(
                None, [*SAMPLING, *settings], output_dir="x", max_steps=1, use_cpu=True,
                **({"method": method} if method else {}),
            )  # fmt: skip
            held = plan(size, config, config.make_objective())
            found = {each.name: each.size for each in held if each.is_sure}
            cells = [gib(found[part]) if part in found else "" for part in PARTS]
            lines.append(f"| {title} | {' | '.join(cells)} | {gib(at_once(held))} |")
        cache = next(each.size for each in held if each.name == "sampler's cache")
        weights = gib(size.weights * size.bytes_each)
        lines += ["", f"The sampler's keys and values take at most {gib(cache)} GiB with the default"]
        lines += [
            f"`sample_batch_size` and lengths; `sampler=process` has its own weights, {weights} GiB.",
            "",
        ]
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the tables of now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{render()}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Rewrite the page."""
    METHODS.write_text(written(METHODS.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
