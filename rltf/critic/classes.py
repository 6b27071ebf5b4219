"""The classes that a critic tells apart. Does not cover: who is in which (`rltf.rewards.feedback`)."""

from __future__ import annotations

from rltf.rewards.feedback import Category

ORDER = (Category.SYNTAX_ERROR, Category.ERROR, Category.FAILURE, Category.PASSED)
"""Class 0 to 3, as CodeRL numbers them."""
PASS_OR_NOT = 2
"""Number of classes of the critic that knows passing programs only: 0 failed in any way, 1 passed."""


def class_of(category: Category, classes: int = len(ORDER)) -> int:
    """Number of a category's class, for a critic of 4 or 2 classes."""
    return int(category is Category.PASSED) if classes == PASS_OR_NOT else ORDER.index(category)


def names_of(classes: int) -> tuple[str, ...]:
    """Names of the classes, in their order."""
    return ("not_passed", "passed") if classes == PASS_OR_NOT else tuple(map(str, ORDER))
