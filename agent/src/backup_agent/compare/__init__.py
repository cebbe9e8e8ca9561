"""Telling whether two copies of the data are equal: digests, manifests, validation."""
