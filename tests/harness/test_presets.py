"""What a run samples with: defaults, a paper's preset over them, and the user's word over both."""

import pytest
from cases import cases

from harness.errors import InputError
from harness.models.presets import PRESETS, settings
from harness.prompts import TRUNCATIONS
from harness.report.published import TABLES, published


def test_one_sample_without_a_word_on_sampling_is_greedy():
    chosen = settings(None, {})
    assert (chosen.n, chosen.decoding.greedy, chosen.decoding.max_new_tokens) == (1, True, 512)


def test_several_samples_are_drawn_as_codex_was():
    decoding = settings(None, {"n": 20}).decoding
    assert (decoding.greedy, decoding.temperature, decoding.top_p, decoding.top_k) == (False, 0.8, 0.95, 0)


def test_one_sample_at_a_temperature_is_drawn():
    assert not settings(None, {"temperature": 0.2}).decoding.greedy


def test_a_preset_sets_what_the_paper_says():
    chosen = settings("rltf-apps", {})
    decoding = chosen.decoding
    assert (decoding.temperature, decoding.top_p, decoding.top_k, decoding.max_new_tokens) == (
        0.6,
        0.95,
        0,
        512,
    )
    assert (chosen.source_tokens, chosen.truncation, chosen.n) == (800, "reference", 160)
    mbpp = settings("rltf-mbpp", {})
    assert (mbpp.decoding.temperature, mbpp.n) == (1.2, 80)


def test_what_is_given_goes_over_the_preset_and_both_are_recorded():
    chosen = settings("rltf-apps", {"n": 5, "temperature": 1.0, "source_tokens": 0}, seed=7, stop=["#"])
    assert (chosen.n, chosen.decoding.temperature, chosen.decoding.top_p) == (5, 1.0, 0.95)
    assert chosen.source_tokens is None
    assert (chosen.decoding.seed, chosen.decoding.stop) == (7, ("#",))
    assert chosen.record["given"] == {"n": 5, "temperature": 1.0, "source_tokens": 0}
    assert chosen.record["preset"] == "rltf-apps"
    assert chosen.record["preset_values"]["temperature"] == 0.6


def test_greedy_takes_one_sample_of_a_preset():
    chosen = settings("rltf-apps", {}, greedy=True)
    assert (chosen.n, chosen.decoding.greedy, chosen.source_tokens) == (1, True, 800)
    assert settings("rltf-apps", {"n": 1}).decoding.greedy is False


@cases(
    ("preset", "given", "greedy", "message"),
    [
        ("rltf", {}, False, "unknown preset 'rltf'; available: rltf-apps, "),
        (None, {"top_k": 5, "temperature": 1.0}, True, "--greedy has no use for --temperature, --top-k"),
        (None, {"n": 2}, True, "2 greedy samples of a problem are all the same"),
        (None, {"top_p": 2.0}, False, r"top_p must be in \(0, 1\]"),
    ],
)
def test_contradictions_are_refused(preset, given, greedy, message):
    with pytest.raises(InputError, match=message):
        settings(preset, given, greedy=greedy)


def test_every_preset_can_be_used_and_has_its_name():
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert settings(name, {}).truncation in TRUNCATIONS


def test_presets_of_tables_exist_and_sample_as_the_tables_say():
    for table in TABLES.values():
        decoding = settings(table.preset, {}).decoding
        for row in published():
            if row in table.rows and row.temperature is not None:
                assert (decoding.temperature, decoding.top_p) == (row.temperature, row.top_p)
