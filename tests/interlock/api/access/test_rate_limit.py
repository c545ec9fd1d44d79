"""The limit of requests: a bucket for each token and person."""

from hypothesis import given
from hypothesis import strategies as st

from interlock.api.access.rate_limit import RateLimiter
from interlock.platform.settings import ApiSettings
from tests.interlock.api.access.access_world import World, bearer, code


def test_a_burst_is_allowed_and_then_as_many_as_the_rate(world: World) -> None:
    api = world.api(ApiSettings(requests_per_second=0.5, burst=3))
    token, other = world.token("tasks:read"), world.token("tasks:read")
    world.pass_time()
    found = [api.browser.get("/v1/me", headers=bearer(token)) for _ in range(4)]
    assert [response.status_code for response in found] == [200, 200, 200, 429]
    assert (code(found[-1]), found[-1].headers["Retry-After"]) == ((429, "too-many-requests"), "2")
    assert api.browser.get("/v1/me", headers=bearer(other)).status_code == 200
    world.pass_time(2)
    assert [api.browser.get("/v1/me", headers=bearer(token)).status_code for _ in range(2)] == [200, 429]


def test_who_logs_in_again_has_no_new_bucket(world: World) -> None:
    api = world.api(ApiSettings(requests_per_second=1, burst=1))
    assert [api.logged_in()[0].get("/v1/me").status_code for _ in range(2)] == [200, 429]
    assert api.logged_in("bob")[0].get("/v1/me").status_code == 200


@given(st.lists(st.floats(0, 3), min_size=1, max_size=80))
def test_no_window_of_time_has_more_than_a_burst_and_the_rate(pauses: list[float]) -> None:
    time = 0.0
    limiter = RateLimiter(2, 5, monotonic=lambda: time)
    allowed = []
    for pause in pauses:
        time += pause
        wait = limiter.wait("ann")
        if wait:
            time += wait + 1e-9  # who waits as told is let in
            assert limiter.wait("ann") == 0
        allowed.append(time)
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= 5 + 2 * (allowed[last] - allowed[first]) + 1e-6
