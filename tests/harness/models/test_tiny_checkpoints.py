"""The tiny checkpoints that other tests use are real ones: the library loads them and they write text."""

from cases import cases

KINDS = ["t5", "gpt2", "codegen", "gpt-neo", "llama", "qwen2"]


@cases("kind", KINDS)
def test_the_library_loads_a_tiny_checkpoint_and_it_writes_text(tiny_checkpoint, kind):
    folder = tiny_checkpoint(kind)
    import transformers

    family = transformers.AutoModelForSeq2SeqLM if kind == "t5" else transformers.AutoModelForCausalLM
    model = family.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer("def add(a, b):\n    return", return_tensors="pt")
    written = model.generate(inputs.input_ids, max_new_tokens=8, do_sample=False)
    assert written.shape[1] > 1
    assert tokenizer.decode(tokenizer("x = [1]\n\tés").input_ids, skip_special_tokens=True) == "x = [1]\n\tés"
