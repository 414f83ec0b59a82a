"""Benchmarks: what is measured, beside what is aimed for."""
