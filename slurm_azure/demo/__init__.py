"""A site in miniature on one machine, and the demonstration that uses it. The end-to-end tests use the same site."""
