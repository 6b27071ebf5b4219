"""Linear layers whose weights are packed: the same products but for rounding, where they may be had."""

import pytest

torch = pytest.importorskip("torch")

from cases import cases  # noqa: E402 - after what decides whether anything here is run

from harness.models.hf import packed_products  # noqa: E402
from harness.models.hf.loading import load  # noqa: E402
from harness.models.hf.packed_products import pack_products  # noqa: E402


@pytest.fixture
def model(tiny_checkpoint):
    return load(str(tiny_checkpoint("llama")), dtype="float32", device="cpu").model.eval()


def logits(model, rows=3):
    with torch.no_grad():
        return model(input_ids=torch.arange(rows * 5).reshape(rows, 5)).logits


def test_predictions_differ_by_rounding_alone_and_the_weights_stay_to_be_read(model):
    before = logits(model)
    layers = [each for each in model.modules() if type(each) is torch.nn.Linear]
    assert pack_products(model) == len(layers) > 0
    assert pack_products(model) == 0, "a second time changes nothing"
    after = logits(model)
    assert not torch.equal(after, torch.zeros_like(after))
    assert float((after - before).abs().max()) < 2e-5 * float(before.abs().max())
    assert all(each.weight.numel() for each in layers)


def test_packed_weights_are_what_is_multiplied(model):
    pack_products(model)
    before = logits(model)
    with torch.no_grad():
        for each in model.modules():
            if type(each) is torch.nn.Linear and each is not model.get_output_embeddings():
                each.weight.zero_()
    assert torch.equal(logits(model), before)


@cases("shape", [(7,), (0, 7), (2, 3, 7)])
@cases("bias", [True, False])
def test_inputs_of_every_shape_and_those_that_need_gradients_are_served(shape, bias):
    layer = torch.nn.Linear(7, 5, bias=bias)
    model, given = torch.nn.Sequential(layer), torch.randn(shape)
    wanted = torch.nn.functional.linear(given, layer.weight, layer.bias)
    assert pack_products(model) == 1
    with torch.no_grad():
        torch.testing.assert_close(model(given), wanted)
    model(given).sum().backward()
    assert layer.weight.grad is not None


def test_nothing_is_packed_in_half_precision_without_the_library_or_the_memory(model, monkeypatch):
    half = torch.nn.Sequential(torch.nn.Linear(4, 4).to(torch.bfloat16))
    assert pack_products(half) == 0
    monkeypatch.setattr(packed_products, "available_memory", lambda: 1000)
    assert pack_products(model) == 0
    monkeypatch.undo()
    monkeypatch.setattr(packed_products, "_OPERATIONS", ("gone",))
    assert pack_products(model) == 0
