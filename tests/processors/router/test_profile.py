"""The profile that the documentation's figures rest on can be made."""

from bench import profile


def test_the_profile_names_every_part_and_the_most_expensive_functions() -> None:
    result = profile.run(20_000)
    assert len(result["microseconds"]) == 5
    assert all(microseconds > 0 for microseconds in result["microseconds"].values())
    shares = {name: (small, large) for name, small, large in result["functions"]}
    assert "interlock/processors/router/router._route" in shares
    assert all(0 < small <= 1 and 0 <= large <= 1 for small, large in shares.values())
