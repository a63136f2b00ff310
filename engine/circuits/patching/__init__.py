"""What matters, and on which path: activations of one run in another."""
