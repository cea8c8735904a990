"""Input validation: arguments of callers are checked and coerced once, here."""
