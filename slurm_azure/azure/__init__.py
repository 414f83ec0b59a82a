"""The Cloud seam: what the daemon needs from Azure (cloud.py), and azure-mgmt-compute behind it."""
