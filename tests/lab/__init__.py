"""The lab: a source cloud of real services in nspawn machines on a private bridge of this host."""
