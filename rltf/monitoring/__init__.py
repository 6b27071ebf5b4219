"""What is logged between the steps of training."""
