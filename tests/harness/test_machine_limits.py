"""What a process may use: affinity, limits of control groups, shares of a launch."""

import os

import pytest
from cases import cases

from harness.machine_limits import available_memory, available_processors, local_share


@pytest.fixture
def many_processors(monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 64, raising=False)


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {"proc/self/cgroup": "0::/a/b\n"}
V1 = {"proc/self/cgroup": "3:cpuset:/x\n1:cpu,cpuacct:/a\n0::/\n"}
CASES = [
    ({}, 64),
    (V2, 64),
    (V2 | {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 64),
    (V2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 4),
    (V2 | {"sys/fs/cgroup/a/b/cpu.max": "250000 100000\n"}, 2),
    (V2 | {"sys/fs/cgroup/a/b/cpu.max": "10000 100000\n"}, 1),
    # The one above is narrower; in a container the group is the mount's own folder.
    (V2 | {"sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
    (V2 | {"sys/fs/cgroup/cpu.max": "500000 100000\n"}, 5),
    (V2 | {"sys/fs/cgroup/cpu.max": "nonsense\n"}, 64),
    (V2 | {"sys/fs/cgroup/cpu.max": ""}, 64),
    (V2 | {"sys/fs/cgroup/cpu.max": "100000 0\n"}, 64),
    (
        V1
        | {
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "600000\n",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
        },
        6,
    ),
    (V1 | {f"sys/fs/cgroup/cpu/cpu.cfs_{of}_us": us for of, us in (("quota", "-1\n"), ("period", "9"))}, 64),
    ({"proc/self/cgroup": "garbage\n::\n"}, 64),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), CASES)
def test_a_quota_counts_as_whole_processors(tmp_path, many_processors, files, expected):
    assert available_processors(tree(tmp_path, files)) == expected


PAGES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
V1_MEMORY = {"proc/self/cgroup": "4:memory:/a\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, PAGES),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": "max\n"}, PAGES),
        (
            V2 | {"sys/fs/cgroup/a/b/memory.max": "2097152\n", "sys/fs/cgroup/a/memory.max": "1048576\n"},
            1048576,
        ),
        (V2 | {"sys/fs/cgroup/memory.max": "1048576\n"}, 1048576),
        (V1_MEMORY | {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, PAGES),
        (V1_MEMORY | {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4194304\n"}, 4194304),
    ],
)
def test_a_container_s_memory_is_what_there_is(tmp_path, files, expected):
    assert available_memory(tree(tmp_path, files)) == expected


def test_affinity_bounds_what_there_is():
    assert 1 <= available_processors() <= len(os.sched_getaffinity(0))


@cases(("count", "size"), [(8, 1), (8, 3), (8, 8), (9, 4), (64, 8)])
def test_the_processes_of_a_launch_share_what_there_is(count, size):
    shares = [local_share(count, {"LOCAL_WORLD_SIZE": str(size), "LOCAL_RANK": str(i)}) for i in range(size)]
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def test_each_process_has_one_at_least_and_alone_all():
    assert local_share(2, {"LOCAL_WORLD_SIZE": "8", "LOCAL_RANK": "7"}) == 1
    assert local_share(5, {}) == 5
    assert local_share(5, {"LOCAL_WORLD_SIZE": "many"}) == 5
    assert local_share(6, {"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}) == 3
