"""Side-by-side OpenStack upgrade: move a running cloud onto new controllers, with a way back."""
