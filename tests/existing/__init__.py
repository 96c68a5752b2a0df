"""A whole pass on machines that stand already; their rig is their own, so that others go on."""
