"""Training with samplers on a cluster of two nodes: the weights of `sampler=process`, bit for bit.

Does not cover: what the samplers do without a cluster (`test_ray_samplers.py`, `test_dispatch.py`).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")
ray = pytest.importorskip("ray")

from trainers import WITHOUT_DROPOUT, build_trainer, rows_of, tensors  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

from benchmarks.mini import load as load_mini  # noqa: E402
from rltf.rollout.replay_buffer import OnlineBuffer  # noqa: E402
from rltf.run import checkpoints  # noqa: E402

pytestmark = pytest.mark.slow
BENCHMARK = load_mini(split="train", size=8)
ROOT = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp()  # the names of sockets in it must be short
    head = {**NODE, "include_dashboard": False, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(**NODE)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def address(cluster):
    return cluster.address


@pytest.fixture
def train(address, tiny_checkpoint, tmp_path, length_grader, small_settings):
    """`train(sampler, *settings)` gives the trainer at its end, and the ages of what it learned from."""

    def run(sampler, *settings, callbacks=lambda trainer: ()):
        own = ("top_p=1", "rl_share=1.0", "sample_batch_size=4", f"sampler={sampler}")
        settings = (*small_settings, *own, *settings)
        options = {"ray": address} if sampler == "ray" else {}
        trainer = build_trainer(
            tiny_checkpoint("gpt2", **WITHOUT_DROPOUT["gpt2"]), settings, tmp_path / sampler, BENCHMARK,
            length_grader, method="grpo", **options,
        )  # fmt: skip
        ages, draw = [], OnlineBuffer.draw

        def noted(buffer, count):
            found = draw(buffer, count)
            ages.extend(trainer.state.global_step - each.step for each in found)
            return found

        for each in callbacks(trainer):
            trainer.add_callback(each)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(OnlineBuffer, "draw", noted)
            trainer.train()
        trainer.close()
        return trainer, ages

    return run


def assert_same_end(one, other):
    found = tensors(one), tensors(other)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    strip = [
        [
            {name: value for name, value in row.items() if not name.startswith("seconds")}
            for row in rows_of(each)
        ]
        for each in (one, other)
    ]
    assert strip[0] == strip[1]


def test_with_a_staleness_of_0_training_waits_and_ends_with_the_weights_of_a_process(train):
    settings = ("refresh_every=1", "max_staleness=0")
    (with_ray, ages), (with_process, _) = train("ray", *settings), train("process", *settings)
    assert set(ages) == {0}
    assert_same_end(with_ray, with_process)


class Kill(TrainerCallback):
    """Kills a sampler's process after the third step, while it samples for the next refresh."""

    def __init__(self, trainer):
        actor = trainer._source._published._actors[0]
        self.pid = ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))

    def on_step_end(self, args, state, control, **_):
        if state.global_step == 3:
            os.kill(self.pid, signal.SIGKILL)


def test_a_sampler_that_is_killed_changes_no_bit_and_no_program_is_too_old(train):
    settings = ("refresh_every=2", "max_staleness=3")
    with pytest.warns(UserWarning, match="sampler 0 is lost and started again"):
        with_ray, ages = train("ray", *settings, callbacks=lambda trainer: [Kill(trainer)])
    with_process, _ = train("process", *settings)
    assert 0 < max(ages) <= 3
    assert max(row.get("buffer/oldest", 0) for row in rows_of(with_ray)) == 3
    assert_same_end(with_ray, with_process)


class Lose(TrainerCallback):
    """As `Kill`, with all that is on the node of a sampler; another node is there."""

    def __init__(self, trainer, cluster):
        self.cluster, others = cluster, {node.node_id: node for node in cluster.worker_nodes}
        found = [
            ray.get(each.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()))
            for each in trainer._source._published._actors
        ]
        self.node = next(others[each] for each in found if each in others)

    def on_step_end(self, args, state, control, **_):
        if state.global_step == 3:
            self.cluster.remove_node(self.node, allow_graceful=False)


def test_a_node_that_is_lost_with_its_sampler_changes_no_bit(train, cluster):
    cluster.add_node(**NODE)
    settings = ("refresh_every=2", "max_staleness=3", "samplers=2")
    with pytest.warns(UserWarning, match="sampler [01] is lost and started again"):
        with_ray, _ = train("ray", *settings, callbacks=lambda trainer: [Lose(trainer, cluster)])
    assert_same_end(with_ray, train("process", *settings[:2])[0])


def command_of(out, model, *settings):
    return [
        sys.executable, "-m", "rltf", "train", "--out", str(out), "--model", str(model),
        "--benchmark", "mini", "--steps", "5", "--method", "grpo", "--no-cache", "--workers", "1",
        "--eval-size", "1", "--seed", "1", "--set", "train_problems=12", "buffer_size=24", "buffer_fill=12",
        "refresh_every=2", "top_p=1", "samples_per_problem=4", "max_new_tokens=8", "max_prompt_tokens=48",
        "per_device_train_batch_size=4", "logging_steps=1", "save_steps=2", "use_cpu=true", "cpu_seconds=0.5",
        "learning_rate=1e-3", "warmup_steps=0", *settings,
    ]  # fmt: skip


@pytest.mark.parametrize("sampler", ["ray", "process"])  # with `process`, the cluster grades
def test_a_learner_that_is_killed_goes_on_and_ends_with_the_weights_of_one_machine(
    sampler, address, tiny_checkpoint, tmp_path
):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    model = tiny_checkpoint("gpt2")
    straight = command_of(tmp_path / "straight", model, "sampler=process")
    subprocess.run(straight, env=environment, check=True, capture_output=True)
    command = [*command_of(tmp_path / "killed", model, f"sampler={sampler}"), "--ray", address]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("step 3/5"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert checkpoints.newest(tmp_path / "killed").name == "checkpoint-2", said
    subprocess.run([*command, "--resume"], env=environment, check=True, capture_output=True)
    ends = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("straight", "killed")]
    assert ends[0] == ends[1]


def test_samplers_that_do_not_fit_are_one_line_before_anything_is_computed(
    address, tiny_checkpoint, tmp_path
):
    command = command_of(tmp_path / "run", tiny_checkpoint("gpt2"), "sampler=ray", "samplers=7")
    done = subprocess.run([*command, "--ray", address], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "samplers=7 with 1 CPU each do not fit: the cluster has room for 2 (" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
