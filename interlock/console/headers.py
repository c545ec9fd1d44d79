"""Headers of every answer of the console."""

# Nothing is loaded from elsewhere, and nothing inside a page is executed: no inline script or style, no eval. A login
# through OpenID Connect must therefore be a link, because `form-action` also binds where a form is redirected to.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

PAGE = {
    **COMMON,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Personal data: neither a proxy nor the browser's disk keeps a page.
    "Cache-Control": "no-store",
}
