"""Samplers as Ray's actors, on a stand-in for Ray: what crosses, what is kept, what is refused.

Does not cover: a cluster (`test_ray_training.py`), or which batch goes where (`test_dispatch.py`).
"""

import copy
import gc
import pickle
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cases import cases

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.mini import load as load_mini  # noqa: E402
from harness.errors import InfrastructureError, InputError  # noqa: E402
from harness.models import Decoding, Request  # noqa: E402
from harness.models.hf.loading import load  # noqa: E402
from harness.models.hf.sampler import LocalSampler  # noqa: E402
from harness.prompts import find_format, make_prompt  # noqa: E402
from harness.types import Piece  # noqa: E402
from rltf.build import with_adapters  # noqa: E402
from rltf.rollout import ray_actor, ray_resources  # noqa: E402
from rltf.rollout.model_files import ModelFiles  # noqa: E402
from rltf.rollout.ray_actor import check_versions, versions  # noqa: E402
from rltf.rollout.ray_resources import Need, Places, how_many, reserved  # noqa: E402
from rltf.rollout.ray_samplers import RaySamplers  # noqa: E402
from rltf.rollout.weight_buffer import Layout, pack, tensors_of, unpack  # noqa: E402

BENCHMARK = load_mini(split="train", size=3)
PROMPTS = [make_prompt(find_format(BENCHMARK), problem) for problem in BENCHMARK.problems]
REQUESTS = [*(Request(prompt, (0, 1, 2)) for prompt in PROMPTS), Request(PROMPTS[0], (7,))]
DECODING = Decoding(max_new_tokens=6, seed=3)
OPTIONS = {"source_tokens": 100, "batch_size": 2, "trace": True}


class RayError(Exception):
    """As Ray's."""


class TaskError(RayError):
    """As Ray's: the call raised `cause`."""

    def __init__(self, cause):
        super().__init__("in an actor")
        self.cause = cause


class FakeRay:
    """Ray's words without Ray: an actor is an object of this process, reached through pickles."""

    def __init__(self):
        self.removed, self.actors, self.sent = [], [], []
        self.exceptions = SimpleNamespace(
            RayError=RayError, RayTaskError=TaskError, ObjectStoreFullError=MemoryError
        )
        self.util = SimpleNamespace(
            placement_group=lambda bundles, strategy: self.group,
            remove_placement_group=self.removed.append,
            scheduling_strategies=SimpleNamespace(
                PlacementGroupSchedulingStrategy=lambda group, number: number
            ),
        )
        self.group = SimpleNamespace(wait=lambda seconds: True)
        self.stored: list[weakref.ref] = []
        self.most_at_once = 0

    def put(self, array):
        # As in Ray's store, it is there as long as somebody has the reference.
        reference = Reference(array.copy())
        self.stored = [each for each in (*self.stored, weakref.ref(reference)) if each() is not None]
        self.most_at_once = max(self.most_at_once, len(self.stored))
        return reference

    def remote(self, **options):
        return lambda kind: SimpleNamespace(remote=lambda *given: FakeActor(self, kind, given, options))

    def wait(self, handles, num_returns, timeout):
        return handles[-1:], handles[:-1]  # the last that was asked for, so that order is put to the test

    def get(self, handle):
        return handle()

    def kill(self, actor):
        actor.ended = True

    def nodes(self):
        node = {"NodeManagerAddress": "10.0.0.1", "NodeManagerPort": 7, "Alive": True}
        return [node | {"Resources": {"CPU": 8.0}}, node | {"Alive": False, "Resources": {"CPU": 64.0}}]

    def available_resources(self):
        return {"CPU": 1.0}

    def cluster_resources(self):
        return {"CPU": 8.0}


class Reference:
    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        return _same, (id(self),)


def _same(address):
    return next(each for each in gc.get_objects() if id(each) == address)


class FakeActor:
    def __init__(self, ray, kind, given, options):
        self.ray, self.kind, self.given, self.options = ray, kind, given, options
        self.made, self.ended, self.fates = None, False, []
        ray.actors.append(self)

    def __getattr__(self, method):
        def remote(*arguments):
            sent = pickle.dumps((self.given, arguments))
            self.ray.sent.append(sent)
            return lambda: self.call(method, sent)

        return SimpleNamespace(remote=remote)

    def call(self, method, sent):
        fate = self.fates.pop(0) if self.fates else None
        if isinstance(fate, RayError):
            raise fate
        given, arguments = pickle.loads(sent)
        if self.made is None:
            self.made = self.kind(*given)
        try:
            if fate is not None:
                raise fate
            return pickle.loads(pickle.dumps(getattr(self.made, method)(*arguments)))
        except Exception as error:
            raise TaskError(error) from None


@pytest.fixture
def make(tiny_checkpoint, monkeypatch):
    """`make(count)` gives samplers, the learner's model and its own sampler."""
    monkeypatch.setattr(ray_actor, "_fetched", lambda reference: reference.array)
    torch.set_num_threads(1)

    def build(count=2, kind="gpt2", **options):
        loaded = load(str(tiny_checkpoint(kind)), device="cpu")
        # Weights that lie in a file begin anywhere, and where they do decides last bits of their sums.
        model = copy.deepcopy(loaded.model)
        places = Places(FakeRay(), "group", Need(1, 0), count)
        samplers = RaySamplers(places, model, loaded.tokenizer, **OPTIONS, **options)
        return samplers, model, LocalSampler(model, loaded.tokenizer, **OPTIONS)

    return build


def change(model):
    with torch.no_grad():
        for each in model.parameters():
            each.mul_(-1.0)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_samples_are_the_learners_own_bit_for_bit_however_many_samplers_there_are(make, count):
    samplers, model, own = make(count)
    old = list(own.complete(REQUESTS, DECODING))
    assert list(samplers.complete(REQUESTS, DECODING)) == old
    change(model)
    assert list(samplers.complete(REQUESTS, DECODING)) == old  # nothing leaks in before it is published
    samplers.publish()
    assert list(samplers.complete(REQUESTS, DECODING)) == list(own.complete(REQUESTS, DECODING)) != old
    for _ in range(3):
        samplers.publish()
    assert samplers._ray.most_at_once == 2  # what is frozen, and what is trained
    with pytest.raises(InputError):
        list(
            samplers.complete([Request(replace(PROMPTS[0], pieces=(Piece("word " * 400),)), (0,))], DECODING)
        )


@pytest.mark.slow
def test_nothing_of_a_benchmark_crosses(make):
    samplers, _, _ = make()
    list(samplers.complete(REQUESTS, DECODING))
    assert not [sent for sent in samplers._ray.sent if b"benchmarks" in sent]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fate", [RayError("the node is gone"), RuntimeError("CUDA error"), OSError("pull failed")], ids=repr
)
def test_a_sampler_that_fails_is_started_again_with_the_last_published_weights(make, fate):
    samplers, model, own = make(1)
    change(model)
    samplers.publish()
    [actor] = samplers._ray.actors
    actor.fates = [None, fate]
    with pytest.warns(UserWarning, match=str(fate)):
        assert list(samplers.complete(REQUESTS, DECODING)) == list(own.complete(REQUESTS, DECODING))
    assert len(samplers._ray.actors) == 2
    assert actor.ended == (not isinstance(fate, RayError))  # the others have ended by themselves


@pytest.mark.slow
def test_closed_samplers_end_what_is_under_way_and_give_their_places_back(make):
    samplers, _, _ = make()
    samplers._ray.wait = lambda handles, num_returns, timeout: (handles[:1], handles[1:])
    answer = samplers.complete(REQUESTS, DECODING)
    next(answer)
    samplers.close()
    with pytest.raises(InfrastructureError, match="closed"):
        list(answer)
    with pytest.raises(InfrastructureError, match="closed"):
        samplers.restart(0, ended=True)  # for one that is lost because it was ended
    assert samplers._ray.removed == ["group"]
    assert all(actor.ended for actor in samplers._ray.actors)


# --- models as plain data ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t5", "gpt-neo", "qwen2"])
@pytest.mark.parametrize("lora_rank", [0, 2])
def test_a_model_built_elsewhere_predicts_the_same_bits(tiny_checkpoint, kind, lora_rank):
    loaded = load(str(tiny_checkpoint(kind)), device="cpu")
    settings = SimpleNamespace(lora_rank=lora_rank, lora_alpha=4, seed=0)
    model = with_adapters(loaded.model, settings).eval()
    files = pickle.loads(pickle.dumps(ModelFiles.of(model, loaded.tokenizer)))
    built, tokenizer = files.build("cpu")
    layout = Layout.of(tensors_of(model))
    layout.check(tensors_of(built))
    unpack(pack(tensors_of(model), layout), layout, tensors_of(built))
    ids = torch.arange(1, 40)[None]
    given = {"decoder_input_ids": ids} if kind == "t5" else {}
    with torch.no_grad():
        assert torch.equal(model(ids, **given).logits, built(ids, **given).logits)
    assert tokenizer.backend_tokenizer.to_str() == loaded.tokenizer.backend_tokenizer.to_str()
    assert tokenizer.chat_template == loaded.tokenizer.chat_template
    assert built.generation_config.to_dict() == model.generation_config.to_dict()


def test_weights_of_several_types_are_packed_and_unpacked_bit_for_bit():
    tensors = {
        "a": torch.randn(3, 5),
        "b": torch.randn(7).to(torch.bfloat16),
        "scalar": torch.tensor(2.5),
        "mask": torch.tensor([True, False, True]),
        "none": torch.empty(0, 4),
    }
    layout = Layout.of(tensors)
    assert all(place.first % 64 == 0 for place in layout.places)
    flat = pack(tensors, layout)
    flat.flags.writeable = False  # as Ray gives it
    found = {name: torch.zeros(each.shape) for name, each in tensors.items()}
    unpack(flat, layout, found)
    assert all(
        found[name].dtype == each.dtype and torch.equal(found[name], each) for name, each in tensors.items()
    )


def test_a_model_that_is_built_otherwise_is_refused():
    layout = Layout.of({"head": torch.empty(3, 4), "body": torch.empty(2)})
    with pytest.raises(InputError, match=r"head is \(3, 5\) there and \(3, 4\) here \(1 such\)"):
        layout.check({"head": torch.empty(3, 5), "body": torch.empty(2)})
    with pytest.raises(InputError, match="body is None there"):
        layout.check({"head": torch.empty(3, 4)})


def test_a_model_of_no_class_of_transformers_is_refused(tiny_checkpoint):
    loaded = load(str(tiny_checkpoint("gpt2")), device="cpu")
    loaded.model.__class__ = type("Changed", (type(loaded.model),), {})
    with pytest.raises(InputError, match="Changed is no class of transformers; pass sampler=process"):
        ModelFiles.of(loaded.model, loaded.tokenizer)


# --- nodes ---------------------------------------------------------------------------------------


@cases("package", ["torch", "transformers", "rltf-harness", "Python", "the sampler"])
def test_a_node_with_another_version_is_refused_by_name(package):
    node = versions() | {package: "0.0.1"}
    with pytest.raises(InputError, match=f"node n7 has {package} 0.0.1, and the learner .*install the same"):
        check_versions(versions(), node, "n7")
    check_versions(versions(), versions(), "n7")


SMALL, LARGE, PLAIN = {"CPU": 2.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 8.0}, {"CPU": 4.0, "memory": 1e9}


@cases(
    ("nodes", "need", "wanted", "count"),
    [
        ([PLAIN, PLAIN], Need(1, 0), None, 2),
        ([PLAIN, PLAIN], Need(1, 0), 8, 8),
        ([PLAIN, PLAIN], Need(3, 0), None, 2),
        ([SMALL, LARGE, PLAIN], Need(1, 1), None, 9),
        ([SMALL, LARGE, PLAIN], Need(1, 0.5), None, 18),
        ([SMALL, LARGE], Need(4, 1), None, 4),
    ],
)
def test_there_is_a_sampler_for_each_node_or_gpu_unless_told_otherwise(nodes, need, wanted, count):
    assert how_many(dict(enumerate(nodes)), need, wanted) == count


@cases(
    ("nodes", "need", "wanted", "message"),
    [
        ({"a": PLAIN}, Need(1, 0), 5, r"samplers=5 with 1 CPU each do not fit: .*room for 4 \(a: 4 CPU\)"),
        (
            {"a": PLAIN, "b": SMALL},
            Need(1, 1),
            2,
            r"1 CPU and 1 GPU each .*room for 1 \(a: 4 CPU; b: 2 CPU and 1 GPU",
        ),
        ({"a": PLAIN}, Need(1, 1), None, "samplers=1 with 1 CPU and 1 GPU each do not fit"),
        ({}, Need(1, 0), None, "room for 0"),
    ],
)
def test_samplers_that_can_never_fit_are_refused_with_what_the_cluster_has(nodes, need, wanted, message):
    with pytest.raises(InputError, match=f"(?s){message}.*lower samplers"):
        how_many(nodes, need, wanted)


def test_places_that_others_hold_are_waited_for_and_then_refused(monkeypatch):
    ray = FakeRay()
    monkeypatch.setattr(ray_resources, "connect", lambda address: ray)
    assert reserved("here", Need(2, 0), 4).count == 4
    assert [reserved("here", Need(2, 0), 4, share=(rank, 3)).count for rank in range(3)] == [2, 1, 1]
    with pytest.raises(
        InputError, match="each of the 2 processes needs a sampler of its own; pass samplers=2"
    ):
        reserved("here", Need(2, 0), 1, share=(1, 2))
    ray.group.wait = lambda seconds: False
    with pytest.raises(
        InputError, match="4 samplers with 2 CPU each got no place in 60 s: 1 CPU of 8 CPU are"
    ):
        reserved("here", Need(2, 0), 4)
    assert ray.removed == [ray.group]
