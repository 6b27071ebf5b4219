"""Programs from files: which file formats there are, and what their rows mean."""
