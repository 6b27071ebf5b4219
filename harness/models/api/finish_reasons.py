"""The words with which servers say how an answer ended, in lower case, by what they mean.

Those of vLLM, SGLang, llama.cpp, TGI, TensorRT-LLM, LM Studio, Ollama and LMDeploy, and of OpenAI, Azure,
OpenRouter, Gemini, DeepSeek, Mistral, Cohere, Z.ai, Bedrock and Anthropic behind their OpenAI-compatible
addresses. An ending that is not here is taken for the model's own.
"""

from __future__ import annotations

CUT = frozenset(
    (
        *("length", "max_tokens", "max_output_tokens", "max_length", "limit", "maxpredictedtokensreached"),
        *("model_length", "model_context_window_exceeded", "contextlengthreached", "repetition"),
    )
)
"""At a limit on tokens, or in the middle of repeating itself."""

OWN = frozenset(
    (
        *("eos", "eos_token", "eosfound", "stop_sequence", "stopstringfound", "end_turn", "complete"),
        *("tool_calls", "tool_use", "function_call"),
    )
)
"""StopCriteria that only a model can have made; `stop` is also what servers say that know nothing."""

FILTERED = frozenset(
    (
        *("content_filter", "content_filtered", "safety", "image_safety", "recitation", "blocklist", "spii"),
        *("prohibited_content", "sensitive", "error_toxic", "guardrail_intervened", "moderation", "refusal"),
    )
)
"""Withheld by a filter; `refusal` is Anthropic's word for that, not the model's declining."""

FAILED = frozenset(
    (
        *("abort", "aborted", "error", "cancelled", "canceled", "timeout", "failed", "other", "error_limit"),
        *("load", "unload", "modelunloaded", "userstopped", "interrupted", "preempted", "server_error"),
        *("insufficient_system_resource", "network_error", "malformed_function_call"),
        *("unexpected_tool_call", "finish_reason_unspecified"),
    )
)
"""The server's failure, whatever text came before."""
