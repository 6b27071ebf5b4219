"""From a graded program to what each of its tokens is worth."""
