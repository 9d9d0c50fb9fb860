"""Small apps with one known way to lose, double, fail or delay a task each, and their fixed twins."""
