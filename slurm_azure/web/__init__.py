"""What operations sees of the daemon: metrics and health over HTTP."""
