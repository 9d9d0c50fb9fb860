"""Parcels, and what becomes of them."""
