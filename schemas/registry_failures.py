"""Why a schema registry could not be asked, for whoever has set it up."""

# The HTTP library of the registry's client passes on what OpenSSL says. What is more special stands first.
_MEANINGS = (
    ("mismatch", "its certificate is for another host: write the URL with a name that stands in it"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "nobody who is trusted has signed its certificate: INTERLOCK_REGISTRY__CA_FILE must have that of its authority",
    ),
    ("CERTIFICATE_REQUIRED", "it wants a certificate of the client: set INTERLOCK_REGISTRY__CERTIFICATE_FILE"),
    ("HANDSHAKE_FAILURE", "it wants a certificate of the client: set INTERLOCK_REGISTRY__CERTIFICATE_FILE"),
    ("UNKNOWN_CA", "it does not trust who has signed the certificate in INTERLOCK_REGISTRY__CERTIFICATE_FILE"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS there: the URL may have to begin with http://"),
    # A server that refuses somebody may close the connection before it has said why.
    *(
        (sign, "it closes the connection: is http:// or https:// right, and does it want a certificate of the client?")
        for sign in ("Server disconnected", "reset by peer", "EOF occurred", "Broken pipe")
    ),
)


def meaning(error: Exception) -> str:
    """The sentence for an error of the HTTP library, which is repeated where it is not the whole of it."""
    said = str(error) or type(error).__name__
    return next((f"{sentence} ({said})" for sign, sentence in _MEANINGS if sign in said), said)
