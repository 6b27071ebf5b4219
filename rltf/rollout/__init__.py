"""Programs sampled from the policy and graded."""
