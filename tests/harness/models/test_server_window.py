"""What servers say of prompts that are too long, in the words of each, and how many new tokens fit then."""

from cases import cases

from harness.models.api.context_window import fewer_new_tokens, window_of
from harness.models.api.error_words import loss_of, words_of
from harness.models.unanswered import Loss

REFUSALS = [
    # words, new tokens asked for, the list's window, new tokens to ask for next
    ("'max_tokens' is too large: 512. This model's maximum context length is 256 tokens and your request has"
     " 100 input tokens (512 > 256 - 100).", 512, 256, 156),
    ("This model's maximum context length is 4096 tokens. However, you requested 4500 tokens (4000 in the"
     " messages, 500 in the completion).", 500, None, 96),
    ("You passed 8001 input tokens and requested 512 output tokens. However, the model's context length is"
     " only 8192 tokens, resulting in a maximum input length of 7680 tokens.", 512, None, 191),
    # vLLM 0.15 names what is left of the window for the window
    ("This model's maximum context length is 3 tokens. However, your request has 8 input tokens.", 2045, 2048,
     2040),
    ("Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total"
     " of 4500 tokens: 4000 tokens from the input messages and 500 tokens for the completion.", 500, None,
     96),
    ("The input (61709 tokens) is longer than the model's context length (40960 tokens).", 512, None, None),
    ("Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", 512, None, None),
    ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 9, None,
     None),
    ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens"
     " and 512 `max_new_tokens`", 512, None, 96),
    ("Input validation error: `inputs` must have less than 1024 tokens. Given: 1500", 512, None, None),
    ("max_tokens is too large: 5000. This model supports at most 4096 completion tokens, whereas you provided"
     " 5000.", 5000, None, 4096),
    ("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`", 9000, None,
     8192),
    ("max_tokens: 10000 > 4096, which is the maximum allowed number of output tokens", 10000, None, 4096),
    ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
     512, None, None),
    ("This endpoint's maximum context length is 8,192 tokens. However, you requested about 8,600 tokens"
     " (8,100 of text input, 500 in the output).", 500, 32768, 92),
    ("The prompt is too long: 9000, model maximum context length: 8192", 512, None, None),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 512, None,
     None),
    ("The sum of prompt length (4000.0), query length (0) and max_tokens (512) should not exceed"
     " max_num_tokens (4096)", 512, None, 96),
    # no numbers: half
    ("Please reduce the length of the messages or completion.", 512, 4096, 256),
    ("the request exceeds the available context size", 1, None, None),
]  # fmt: skip


@cases(("words", "asked", "listed", "fewer"), REFUSALS)
def test_a_refusal_as_too_long_is_understood_in_the_words_of_each_server(words, asked, listed, fewer):
    assert loss_of(400, words) is Loss.TOO_LONG
    assert fewer_new_tokens(words, asked, listed) == fewer


@cases("listed", [None, 1, 300, 10**9])
@cases("words", ["", "9 input tokens", *(each[0] for each in REFUSALS)])
def test_asking_for_fewer_tokens_comes_to_an_end(words, listed):
    asked, count = 131_072, 0
    while asked is not None:
        fewer = fewer_new_tokens(words, asked, listed)
        assert fewer is None or 0 < fewer < asked
        asked, count = fewer, count + 1
    assert count < 25


@cases(
    ("status", "words"),
    [
        (400, "Unsupported value: 'temperature' does not support 0.0 with this model."),
        (400, "'temperature' is too large: it must be at most 2"),
        (400, "Unrecognized request argument supplied: top_k"),
        (404, "The model `m` does not exist."),
        (429, "Rate limit reached: the tokens of your requests exceed 30000 a minute"),
        (429, "You exceeded your current quota, please check your plan"),
        (401, "Incorrect API key provided"),
        (500, "CUDA out of memory"),
        (503, "Service is too busy"),
        (None, "Provider returned error"),
    ],
)
def test_other_failures_are_not_taken_for_the_samples_own(status, words):
    assert loss_of(status, words) is Loss.SERVER


@cases(
    ("status", "words"),
    [
        (
            400,
            "The response was filtered due to the prompt triggering Azure's content management policy.",
        ),
        (400, "litellm.ContentPolicyViolationError: no"),
        (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy."),
        (403, "this model requires moderation on OpenAI. Your input was flagged for 'violence'"),
        (400, "Output data may contain inappropriate content. (data_inspection_failed)"),
    ],
)
def test_a_refusal_by_a_filter_is_understood_in_the_words_of_each_server(status, words):
    assert loss_of(status, words) is Loss.FILTERED


def test_the_words_of_an_error_are_found_wherever_they_are_and_however_deep():
    assert words_of('{"error": {"message": "a", "code": "content_filter"}}') == "a (content_filter)"
    assert words_of('[{"error": {"code": 400, "message": "b"}}]') == "b"
    assert words_of('{"object": "error", "message": "c", "code": 400}') == "c"
    assert words_of('{"detail": [{"msg": "d"}, {"msg": "e"}]}').count("msg") == 2
    assert words_of("<html>") == "<html>"
    assert words_of("7") == "7"
    for deep in ("[" * 100_000, '{"error":' * 400 + '"x"' + "}" * 400):
        assert isinstance(words_of(deep), str)


@cases(
    ("entry", "size"),
    [
        ({"max_model_len": 256}, 256),
        ({"context_length": 8192}, 8192),
        ({"context_window": 131072}, 131072),
        ({"max_context_length": 9}, 9),
        ({"meta": {"n_ctx": 512, "n_ctx_train": 4096}}, 512),
        ({"top_provider": {"context_length": 77}}, 77),
        ({"parent": "base", "max_model_len": None}, 1024),
        ({"max_model_len": "many", "context_length": -4}, None),
        ({"max_model_len": True, "parent": ["base"]}, None),
        ({}, None),
    ],
)
def test_the_window_is_read_in_the_spelling_of_each_server(entry, size):
    assert window_of("m", [{"id": "base", "max_model_len": 1024}, {"id": "m", **entry}]) == size
    assert window_of("other", [{"id": "m", **entry}]) is None
