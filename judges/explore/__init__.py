"""The judge of ``retrysim explore``: a bank of bugs, each found or not, beside plainer ways to look for them."""
