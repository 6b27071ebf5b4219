"""Presets: named sets of options for `rltf train`, each value with where it comes from.

`paper` follows the paper (arXiv:2307.04349), `released` the code that its authors released, where they
differ:

    what                    paper (source)                      released (source)
    classes and scopes      U_global, U_line, U_ignore          program_feedback.py, `rltf.rewards.released`
    exit status not 0       as the profile says                 an error, nothing blamed
    program without a       a syntax error, all of it blamed (ours; the released code's wrapper is left
      statement               without a body, with the same end), so that nothing is worth less
    fine-grained reward     scaled by T/(E-S) (eq. 4)           not scaled
    adaptive reward         a term of its own (eq. 6)           in place of a failure's coarse one
    baseline                historical best (eq. 9)             the newest greedy program
    tokens                  summed (eq. 2)                      averaged over the micro-batch
    supervised and RL       in each step, summed (eq. 6)        even and odd micro-batches
    buffer                  a queue                             memory_pool.py
    temperature, top-k      1.0 (Table 7), none                 0.6, 50 (generate_online.py)
    warm-up                 linear (it names none)              by the logarithm (its DeepSpeed file)

The released code weights every token by CodeRL's critic. `released` is that code without it, and its numbers
are not to be held against the published ones; `--set critic=frozen critic_model=DIR` adds a critic that
`rltf critic` trained. `coderl` is CodeRL's own training, offline. `mini` and `mini-quick` are ours: a model
made on the spot, for the generated benchmark `mini`, on a CPU.

`ppocoder` is PPOCoder (arXiv:2301.13816), `ppocoder-released` what of its code (2ade01c) is an option here:

    what                    ppocoder (paper)                    ppocoder-released (code)
    reward by tests         +1, -0.3, -0.6, -1 by class         -1 if it does not compile, else +1
    comments before AST     comments and docstrings go          the rule for Java: what is behind `//` goes
      and DFG match
    advantages              whitened over a step's tokens       over each sequence's
    losses                  mean over a step's tokens           over sequences of the mean of each
    length                  512                                 400

Of the code's other differences there is no option, since they are defects: a completion without an end token
trains its first token and loses its reward; the KL penalty counts padding; the reference is cut to the
length of the program; the value head is under dropout when old and new values are compared; any output of
the compiler on its error stream, a warning too, is a failure; top-k sampling, which makes the ratio wrong.
Does not cover: what the options mean (`rltf.config.RLTFConfig`). Importing this costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rltf.rewards import rltf as rewards

_TRAINING: Mapping[str, Any] = {
    # The settings of both, from scripts/train_actor_rl_online_v1_deepspeed.sh (paper: "batch 32 per GPU").
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 8,
    "learning_rate": 2e-6,
    "weight_decay": 0.05,
    "warmup_steps": 500,
    "buffer_size": 6400,
    "buffer_fill": 6400,
    "refresh_every": 50,
    "samples_per_problem": 20,
    "top_p": 0.95,
    "max_prompt_tokens": 800,
    "max_new_tokens": 512,
}

PAPER: Mapping[str, Any] = {
    **_TRAINING,
    "rewards": rewards.PAPER,
    # Both graders that it can have used, Hendrycks' and the released one, run a script as a function's body.
    "profile": "apps",
    "lr_scheduler_type": "constant_with_warmup",  # it names none; as in the released code, it does not decay
    "temperatures": (1.0,),  # Table 7: the best for training
    "mixing": "together",  # eq. 6: L = L_sl + L_coarse + L_fine + L_adaptive
    "buffer_rule": "queue",
    "cut_failing": False,
}

RELEASED: Mapping[str, Any] = {
    **_TRAINING,
    "rewards": rewards.RELEASED,
    "profile": "apps",
    # Their DeepSpeed file brings a scheduler of its own, WarmupLR, whatever the script asks for: it rises by
    # the logarithm and never decays.
    "lr_scheduler_type": "warmup_log",
    "temperatures": (0.6,),  # generate_online.py
    "top_k": 50,  # none is given there, and transformers' own default then applies
    "mixing": "alternate",  # even micro-batches supervised, odd ones RL
    "sl_prompt_format": "training",
    "buffer_rule": "released",
    "cut_failing": False,
}

CODERL: Mapping[str, Any] = {
    # scripts/train_actor_rl_deepspeed.sh of CodeRL, where nothing else is said.
    "method": "coderl",
    "rewards": rewards.RewardConfig(feedback="released"),  # of which methods other than rltf read this alone
    "profile": "apps",
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 8,  # theirs: 1 x 4; their author advises about 256 programs a step
    "learning_rate": 2e-6,  # theirs: 2e-5, with which reproductions collapse after 3,000 steps
    "weight_decay": 0.05,
    "lr_scheduler_type": "constant_with_warmup",
    "mixing": "alternate",  # even micro-batches supervised, odd ones RL
    "refresh_every": None,  # programs are sampled once, from the warm start
    "buffer_size": 100_000,  # 20 for each of 5,000 problems; buffer_fill says how many there are
    "buffer_fill": 6400,
    "samples_per_problem": 20,
    "temperatures": (0.6,),  # generate.py
    "top_p": 0.95,
    "max_prompt_tokens": 600,
    "max_new_tokens": 512,
    "sl_prompt_format": "training",
    "cut_failing": False,
}

PPOCODER: Mapping[str, Any] = {
    **_TRAINING,  # batches of 32, as reports of PPOCoder have it; the rate is that of the presets above
    "method": "ppo",
    "rewards": rewards.PAPER,  # for its classes
    "profile": "apps",
    "lr_scheduler_type": "constant_with_warmup",
    # R = R_cs + R_ast + R_dfg - beta R_kl; β, γ, λ and the clips are defaults of the method, from its code.
    "terms": {"coarse": 1.0, "ast": 1.0, "dfg": 1.0},
    "rl_share": 1.0,  # it has no supervised term
    # The programs of a step are sampled by the policy that it changes.
    "samples_per_problem": 1,
    "buffer_size": 32,
    "buffer_fill": 32,
    "refresh_every": 1,
    "refresh_size": 32,
    "temperatures": (1.0,),
    "top_p": 1.0,
    "cut_failing": False,
}

PPOCODER_RELEASED: Mapping[str, Any] = {
    **PPOCODER,
    "term_options": {
        "coarse": {"failure": 1.0, "error": 1.0},  # reward.py: ±1, whether it compiles
        "ast": {"comments": "c"},
        "dfg": {"comments": "c"},
    },
    "objective": {"whiten": "sequence", "aggregation": "sequence_mean"},  # mini-batches of one sequence
    "max_new_tokens": 400,
}

MINI: Mapping[str, Any] = {
    # Solutions are scarcer than problems with tests, here as elsewhere: 160 of 800 problems are solved. With
    # 300, supervision alone reaches what RLTF does; with 100 or fewer, the start solves 3 % of held-out
    # problems and 9 % of unsolved training problems in 16 tries, so that there is next to nothing to reward.
    "train_problems": 800,
    "sl_problems": 160,
    "per_device_train_batch_size": 80,
    "rl_share": 0.8,
    "sl_weight": 0.5,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "warmup_steps": 10,
    "lr_scheduler_type": "constant_with_warmup",
    "max_grad_norm": 1.0,
    "max_steps": 100,
    # Few and new: a program is trained on three or four steps after it was written.
    "buffer_size": 256,
    "buffer_fill": 256,
    "refresh_every": 2,
    "refresh_size": 256,  # a half or less of them pass, and only those are kept
    "samples_per_problem": 8,
    "sample_batch_size": 256,
    "temperatures": (1.0,),
    "top_p": 1.0,
    "max_prompt_tokens": 36,  # the operation comes first; what is cut are the formats and the example
    "max_new_tokens": 48,
    "keep_zero_advantage": False,
    "cpu_seconds": 1.0,
    "sampler": "overlapped",  # grades while it learns
    # Programs that pass are learned and nothing is unlearned: not the paper's rewards. Those, with a group's
    # mean as baseline, gain 10 points where these gain 18 (results/reports/mini-ablations.md), and that at a
    # third of the learning rate: at this one they unlearn what the start could do within 15 steps.
    "rewards": rewards.RewardConfig(
        fine=False,
        adaptive=False,
        failure=0.0,
        error=0.0,
        syntax_error=0.0,
        baseline="none",
        # With α = T/(E-S), where `fine` is turned on, the penalty of a line outweighs everything else in
        # programs of ten tokens, and the policy learns to write what compiles and is wrong.
        fine_alpha="one",
    ),
    "mixing": "together",
    "buffer_rule": "queue",
    "save_steps": 50,
    "save_total_limit": 2,
    "logging_steps": 5,
}

MINI_QUICK: Mapping[str, Any] = {
    **MINI,
    "sl_problems": 400,  # with 160 so short a warm start solves 2 % of held-out problems, and shows nothing
    "max_steps": 20,
    "save_steps": 10,
}

_WARM_START: Mapping[str, Any] = {
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 16,
    "save_steps": 200,
    "logging_steps": 50,
}
WARM_STARTS: Mapping[str, Mapping[str, Any]] = {
    # 20 passes over 160 solutions; 100 steps reach half as much on held-out problems (13 % for 28, one seed).
    "mini": {**_WARM_START, "max_steps": 200},
    "mini-quick": {**_WARM_START, "max_steps": 150},
}
"""Supervised stage before RLTF where the model is made on the spot; over the preset's own options."""

BENCHMARKS: Mapping[str, str] = dict.fromkeys(WARM_STARTS, "mini-introductory")
"""What the presets that make their own model train on."""

EVALUATIONS: Mapping[str, Mapping[str, Any]] = {
    "mini": {"n": 4, "temperature": 0.6, "top_p": 0.95},
    "mini-quick": {"n": 2, "temperature": 0.6, "top_p": 0.95},
}
"""How the preset's evaluations sample; by the names of `harness.models.presets.Preset`."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": PAPER,
    "released": RELEASED,
    "ppocoder": PPOCODER,
    "ppocoder-released": PPOCODER_RELEASED,
    "mini": MINI,
    "mini-quick": MINI_QUICK,
    "coderl": CODERL,
}
