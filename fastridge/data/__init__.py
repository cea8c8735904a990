"""The door: what callers bring, checked and coerced once."""
