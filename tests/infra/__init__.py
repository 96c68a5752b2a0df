"""The Pulumi program: with mocks in seconds, and with a real engine on real machines."""
