"""Sets of occluded images written."""
