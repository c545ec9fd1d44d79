"""How events move: the exactly-once runner, the brokers it runs on, and how tables are read.

`ports` is what everything here is written against; `kafka` and `memory` are its two implementations.
"""
