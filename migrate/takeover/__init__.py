"""The window: gate, drain, fence, isolation, starting, the virtual IP, agents."""
