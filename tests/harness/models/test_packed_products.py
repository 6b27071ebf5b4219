"""Linear layers whose weights are packed: the same products but for rounding, where they may be had."""

import copy

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


def linear_layers(model):
    return [each for each in model.modules() if type(each) is torch.nn.Linear]


def test_weights_that_have_changed_are_multiplied_as_they_are(model):
    changed = copy.deepcopy(model)
    pack_products(model)
    for layers in zip(linear_layers(model), linear_layers(changed), strict=True):
        for each in layers:
            with torch.no_grad():
                each.weight.mul_(1.5)
    assert torch.equal(logits(model), logits(changed))


def test_a_model_that_is_trained_is_packed_while_it_samples_and_no_longer(model):
    layers = linear_layers(model)
    packed_layers = [sum("forward" in vars(each) for each in layers)]
    with packed_products.packed(model):
        packed_layers.append(sum("forward" in vars(each) for each in layers))
        with packed_products.packed(model):
            pass
        packed_layers.append(sum("forward" in vars(each) for each in layers))
    packed_layers.append(sum("forward" in vars(each) for each in layers))
    assert packed_layers == [0, len(layers), len(layers), 0]
    pack_products(model)
    with packed_products.packed(model):
        pass
    assert all("forward" in vars(each) for each in layers), "packed for good"


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
