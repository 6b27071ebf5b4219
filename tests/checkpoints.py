"""Tiny checkpoints of real architecture classes, made on the spot: random weights, a tokenizer of 400 tokens.

Used through the fixture `tiny_checkpoint`. Each kind keeps a trait that checkpoints in the wild have: `t5`
appends `</s>` to prompts as CodeT5 does, `llama` prepends `<s>`, `qwen2` has a chat template and two end
tokens; `gpt2`, `codegen`, `gpt-neo` and `llama` have no padding token.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

KINDS = ("t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2")

_TEXT = (
    """def add(a, b):
    return a + b
for i in range(int(input())):
    print(" ".join(str(x) for x in values))
if number % 2 == 0: result = [len(line) for line in sys.stdin.read().split()]
while left < right: left, right = left + 1, right - 1
Write a function to find the sum of the list. assert add(1, 2) == 3
QUESTION: Given a string, print the answer. -----Input----- -----Output----- ANSWER:
"""
    * 3
)

_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_checkpoint(kind: str, folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Write a model of `kind` with its tokenizer to `folder`; `changes` go to its config."""
    import torch
    import transformers

    tokenizer = make_tokenizer(kind)
    sizes = {"vocab_size": len(tokenizer)} | _CONFIGS[kind][1] | changes
    # Wide weights make predictions that differ from token to token, as a trained model's do.
    sizes |= {"initializer_factor": 1.6} if kind == "t5" else {"initializer_range": 0.25}
    config_class = getattr(transformers, _CONFIGS[kind][0] + "Config")
    config = config_class(**sizes, **_special_ids(kind, tokenizer))
    head = "ForConditionalGeneration" if kind == "t5" else _HEADS.get(kind, "ForCausalLM")
    torch.manual_seed(seed)
    model = getattr(transformers, _CONFIGS[kind][0] + head)(config)
    if kind == "qwen2":
        ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
        model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_gguf(file: Path, *, split: str = "smollm") -> Path:
    """Write a model of Llama's kind with Qwen2's tokenizer to a GGUF file, its matrices quantised (Q8_0).

    Args:
        file: Where to.
        split: What it says of the text's split before merges, in llama.cpp's words.
    """
    import gguf
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint("llama", Path(folder), tie_word_embeddings=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    writer = gguf.GGUFWriter(file, "llama")
    for name, value in _gguf_sizes(model.config).items():
        getattr(writer, f"add_{name}")(value)
    _add_tokenizer(writer, make_tokenizer("qwen2"), split)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":  # tied: the file has it once
            continue
        kind = gguf.GGMLQuantizationType.Q8_0 if weight.dim() == 2 else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(weight.numpy(), kind)
        writer.add_tensor(names.get_name(name, (".weight",)), stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _gguf_sizes(config: Any) -> dict[str, int | float]:
    return {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "head_count": config.num_attention_heads,
        "head_count_kv": config.num_key_value_heads,
        "layer_norm_rms_eps": config.rms_norm_eps,
        "rope_dimension_count": config.head_dim,
        "vocab_size": config.vocab_size,
    }


def _add_tokenizer(writer: Any, tokenizer: Any, split: str) -> None:
    import gguf

    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = set(tokenizer.all_special_tokens)
    kinds = [gguf.TokenType.CONTROL if each in special else gguf.TokenType.NORMAL for each in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)


_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "t5": ("T5", {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}),
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 2048}),
    "codegen": ("CodeGen", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 2048, "rotary_dim": 4}),
    "gpt-neo": (
        "GPTNeo",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "max_position_embeddings": 2048,
            "attention_types": [[["global", "local"], 1]],
        },
    ),
    "llama": (
        "Llama",
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
    ),
    "qwen2": (
        "Qwen2",
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
    ),
}
_HEADS = {"gpt2": "LMHeadModel"}


def make_tokenizer(kind: str) -> Any:
    """Byte-level BPE of 400 tokens with the special tokens that models of `kind` have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = _SPECIAL.get(kind, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"})
    added = sorted(set(special.values()) | ({"<|im_start|>"} if kind == "qwen2" else set()))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=added, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(_TEXT.splitlines(keepends=True), trainer)
    if kind in _TEMPLATES:
        ends = [(token, made.token_to_id(token)) for token in ("<s>", "</s>")]
        made.post_processor = processors.TemplateProcessing(single=_TEMPLATES[kind], special_tokens=ends)
    extra = {"chat_template": _CHATML} if kind == "qwen2" else {}
    return PreTrainedTokenizerFast(tokenizer_object=made, **special, **extra)


_SPECIAL = {
    "t5": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    "llama": {"bos_token": "<s>", "eos_token": "</s>"},
    "qwen2": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
}
_TEMPLATES = {"t5": "<s> $A </s>", "llama": "<s> $A"}


def _special_ids(kind: str, tokenizer: Any) -> dict[str, int | None]:
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    return ids | ({"decoder_start_token_id": ids["pad_token_id"]} if kind == "t5" else {})
