"""The sampler: audits the pool that the router leaves to it, and picks from it what teaches the most."""
