"""What proves that the target is the cloud that the source was."""
