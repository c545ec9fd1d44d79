"""Records whose headers have names that confluent_kafka cannot send: through the C library that it carries."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka

# The tags of rd_kafka_producev's arguments, from rdkafka.h.
_TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADERS, _END = 1, 3, 4, 5, 7, 10, 0
_COPY = 2
_PRODUCER = 0
_FLUSH_MILLISECONDS = 30_000

RawHeaders = Sequence[tuple[bytes, bytes]]


def produce_raw(bootstrap_servers: str, topic: str, value: bytes, key: bytes, headers: RawHeaders) -> None:
    """Writes one record to partition 0 and waits until it is stored."""
    package = Path(confluent_kafka.__file__).parent
    library = ctypes.CDLL(str(next((package.parent / "confluent_kafka.libs").glob("librdkafka-*.so*"))))
    for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, function).restype = ctypes.c_void_p
    reason = ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"bootstrap.servers", bootstrap_servers.encode(), reason, 512)
    producer = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, configuration, reason, 512))
    assert producer, reason.value
    listed = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(len(headers))))
    for name, data in headers:
        library.rd_kafka_header_add(listed, name, ctypes.c_ssize_t(len(name)), data, ctypes.c_ssize_t(len(data)))
    failed = library.rd_kafka_producev(
        producer,
        *(_TOPIC, ctypes.c_char_p(topic.encode())),
        *(_PARTITION, ctypes.c_int32(0)),
        *(_FLAGS, ctypes.c_int(_COPY)),
        *(_VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
        *(_KEY, ctypes.c_char_p(key), ctypes.c_size_t(len(key))),
        *(_HEADERS, listed),
        _END,
    )
    assert not failed
    assert not library.rd_kafka_flush(producer, _FLUSH_MILLISECONDS)
    library.rd_kafka_destroy(producer)
