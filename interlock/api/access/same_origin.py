"""Requests that another site made a browser send."""

from urllib.parse import urlsplit

from fastapi import Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CSRF_HEADER = "X-CSRF-Token"

_OWN_SITE = frozenset({"same-origin", "none"})

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})

# What proxies add: then the client's address is that of the proxy, or what it says.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host")


def is_of_another_site(request: Request, own_address: str | None = None) -> bool:
    """Whether the browser says that a page of another origin caused this request. Programs that are no browsers say
    nothing. `own_address`: how browsers reach this API, if that is not the Host of the request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OWN_SITE
    # Browsers say less to addresses without https, and old ones to all.
    origin = request.headers.get("origin")
    own = {request.headers.get("host", "").lower(), urlsplit(own_address or "").netloc.lower()}
    try:
        return origin is not None and urlsplit(origin).netloc.lower() not in own
    except ValueError:  # no browser writes such an origin
        return True


def is_from_this_machine(request: Request) -> bool:
    """Whether a program of this machine asks, by a name of this machine. A page whose host name was made to mean
    127.0.0.1 (DNS rebinding) comes with its own name."""
    if request.client is None or request.client.host not in _THIS_MACHINE:
        return False
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return host in _THIS_MACHINE


def local_path(wanted: str | None) -> str:
    """Where to go after a login: `wanted` if it is a path of this site, else the start page."""
    if not wanted or not wanted.startswith("/") or wanted.startswith("//"):
        return "/"
    # Browsers take a backslash for a slash and leave control characters out.
    if "\\" in wanted or not wanted.isascii() or not wanted.isprintable() or " " in wanted:
        return "/"
    return wanted
