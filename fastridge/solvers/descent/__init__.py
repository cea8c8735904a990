"""Elastic nets and lassos, for one target and for several, by coordinate descent."""
