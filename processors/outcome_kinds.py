"""Which kinds of outcome are a sample of what a model does."""

# A first verdict on a decision that routing sent to a person. Gold items are planted, overrides and appeals come from
# people who disagree: none of them says how often the model is right.
SAMPLED_KINDS = frozenset({"review", "audit", "post_approval"})
