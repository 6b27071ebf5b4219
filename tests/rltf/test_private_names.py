"""What is used of transformers and tokenizers that they keep private: an upgrade fails here, by name."""

import inspect

import pytest
from cases import cases

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("torch")


@cases(
    ("owner", "name"),
    [
        (transformers.GenerationConfig(), "_from_model_config"),  # harness/models/end_tokens.py
        (tokenizers.ByteLevelBPETokenizer()._tokenizer, "post_processor"),  # harness/prompts/tokenizer.py
        (transformers.models.auto.modeling_auto, "MODEL_FOR_MASKED_LM_MAPPING_NAMES"),  # hf/prompt_reader.py
        (transformers.DynamicCache, "batch_select_indices"),  # harness/models/hf/kv_batch.py
        (transformers.cache_utils.DynamicLayer, "batch_select_indices"),
    ],
)
def test_private_names_are_still_there(owner, name):
    assert hasattr(owner, name)


@cases(
    ("method", "parameters"),
    [
        ("_save_checkpoint", ["model", "trial"]),
        ("_load_from_checkpoint", ["resume_from_checkpoint"]),
        ("_prepare_input", ["data"]),
        ("get_batch_samples", ["epoch_iterator", "num_batches", "device"]),
        ("get_train_dataloader", []),
    ],
)
def test_what_our_trainer_overrides_or_calls_of_trainers_takes_what_it_took(method, parameters):
    taken = inspect.signature(getattr(transformers.Trainer, method)).parameters
    assert [name for name in taken if name != "self"][: len(parameters)] == parameters
