"""What people may import, by name: a name that comes or goes is a decision, made here and in CHANGELOG.md."""

import pytest

import harness
import rltf

HARNESS = {
    "Benchmark", "ErrorInfo", "Execution", "GradingService", "Job", "Limits", "Outcome", "Problem", "Runner",
    "Status", "TestOutcome", "TestSuite", "VerdictCache", "load_benchmark",
}  # fmt: skip
RLTF = {"OBJECTIVES", "TERMS", "GradedProgram", "Objective", "RLTFConfig", "RLTFTrainer", "make_trainer"}


@pytest.mark.parametrize(("package", "names"), [(harness, HARNESS), (rltf, RLTF)], ids=["harness", "rltf"])
def test_the_public_names_are_these_and_can_be_imported(package, names):
    assert set(package.__all__) == names
    for name in names:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_names_that_adapters_need_stay_where_they_are():
    from harness.compare import PROFILES
    from harness.errors import HarnessError, InputError
    from harness.types import AssertTest, CallTest, StdinTest, TestKind

    assert PROFILES
    assert issubclass(InputError, HarnessError)
    assert {AssertTest, CallTest, StdinTest, TestKind}
