"""Closing a browser's pages also while one of them is on its way to another page."""

from contextlib import suppress

from playwright.sync_api import BrowserContext, Error, Page

# A page that closes at all does so within some tens of milliseconds.
_ANSWER_MS = 1000
_ATTEMPTS = 30


def close(context: BrowserContext) -> None:
    """Closes all pages of a context, and the context.

    Chromium forgets a request to close a page that comes while another document takes the place of its own
    (crbug.com/536385539); playwright then waits for ever, in `Page.close` and in `BrowserContext.close`. A request
    that runs the handlers of `beforeunload` is not waited for, so that it can be repeated. No page of ours has any.
    """
    for page in context.pages:
        _close_page(page)
    context.close()


def _close_page(page: Page) -> None:
    for _ in range(_ATTEMPTS):
        if page.is_closed():
            return
        with suppress(Error), page.expect_event("close", timeout=_ANSWER_MS):
            page.close(run_before_unload=True)
    raise AssertionError(f"the browser did not close {page.url}")
