"""The active-learning sampler: audits the candidates that the router leaves to it, and selects from them. Pure."""
