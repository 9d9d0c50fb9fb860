"""Slow proofs, run by .ci/run: each prints figures and exits 1 on failure."""
