import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.router.audit_sampling import flip, siphash

KEY = bytes(range(16))

# The test vectors of the SipHash reference implementation: message 00 01 02 … of the given length.
VECTORS = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
}


def test_the_hash_equals_the_reference_vectors_of_siphash_2_4() -> None:
    messages = pa.array([bytes(range(length)).decode() for length in VECTORS])
    assert siphash(messages, KEY).tolist() == list(VECTORS.values())


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(0, 30))
def test_a_coin_does_not_depend_on_the_batch_it_is_flipped_in(ids: list[str], cut: int) -> None:
    whole = siphash(pa.array(ids, pa.string()), KEY)
    sliced = pa.array(ids, pa.string())[cut:]
    assert siphash(sliced, KEY).tolist() == whole[cut:].tolist()
    one_by_one = [int(siphash(pa.array([decision_id]), KEY)[0]) for decision_id in ids]
    assert one_by_one == whole.tolist()


def test_the_share_of_audits_is_the_rate() -> None:
    ids = pa.array([f"decision-{i}" for i in range(100_000)])
    for rate in (0.01, 0.05, 0.5):
        share = flip(ids, KEY, rate).mean()
        # four standard deviations of a binomial share
        assert abs(share - rate) < 4 * (rate * (1 - rate) / len(ids)) ** 0.5


def test_rate_zero_audits_nothing_and_rate_one_everything() -> None:
    ids = pa.array([str(i) for i in range(1000)])
    assert not flip(ids, KEY, 0.0).any()
    assert flip(ids, KEY, 1.0).all()


def test_a_higher_rate_keeps_every_audit_of_a_lower_one() -> None:
    ids = pa.array([str(i) for i in range(10_000)])
    low, high = flip(ids, KEY, 0.05), flip(ids, KEY, 0.10)
    assert (high | ~low).all()


def test_another_key_audits_other_decisions() -> None:
    ids = pa.array([str(i) for i in range(10_000)])
    both = flip(ids, KEY, 0.5) == flip(ids, bytes(16), 0.5)
    assert abs(np.mean(both) - 0.5) < 0.02


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        siphash(pa.array(["a"]), b"short")
