import pytest
from temporalio.api.common.v1 import Payload

from fulfillment.contracts.converter import data_converter
from fulfillment.contracts.encryption import Cipher, UnknownKey
from fulfillment.contracts.orders import Card
from fulfillment.domain.keyring import Key

OLD, NEW, FOREIGN = (Key(name, name.encode().ljust(32, b".")) for name in ("old", "new", "foreign"))
CARD = Card(token="tok_secret")


async def test_nothing_of_a_message_is_readable_where_temporal_keeps_it() -> None:
    payload = await _encrypted(OLD)

    stored = payload.SerializeToString()
    assert b"tok_secret" not in stored
    assert b"card" not in stored
    assert b"json/plain" not in stored


async def test_two_encryptions_of_one_message_look_different() -> None:
    assert (await _encrypted(OLD)).data != (await _encrypted(OLD)).data


async def test_after_a_rotation_the_new_key_encrypts_and_the_old_one_still_decrypts() -> None:
    before = await _encrypted(OLD)
    after = await _encrypted(NEW, OLD)

    assert after.metadata["key"] == b"new"
    assert await data_converter([NEW, OLD]).decode([before, after], [Card, Card]) == [CARD, CARD]


async def test_another_key_says_which_one_is_missing_and_where_it_belongs() -> None:
    payload = await _encrypted(OLD)

    with pytest.raises(UnknownKey, match=r"'old'.*FULFILLMENT_ENCRYPTION__KEYS"):
        await data_converter([FOREIGN]).decode([payload], [Card])


async def test_a_key_of_the_same_name_with_another_secret_opens_nothing() -> None:
    payload = await _encrypted(OLD)

    with pytest.raises(UnknownKey):
        await data_converter([Key("old", FOREIGN.secret)]).decode([payload], [Card])


@pytest.mark.parametrize("position", [0, 11, 12, -1])
async def test_a_changed_byte_is_noticed(position: int) -> None:
    payload = await _encrypted(OLD)
    data = bytearray(payload.data)
    data[position] ^= 1

    with pytest.raises(UnknownKey):
        await data_converter([OLD]).decode([Payload(metadata=payload.metadata, data=bytes(data))], [Card])


@pytest.mark.parametrize("data", [b"", b"short", bytes(12), bytes(27)])
async def test_a_cut_off_message_is_noticed(data: bytes) -> None:
    payload = await _encrypted(OLD)

    with pytest.raises(UnknownKey):
        await data_converter([OLD]).decode([Payload(metadata=payload.metadata, data=data)], [Card])


async def test_what_was_stored_before_encryption_was_switched_on_stays_readable() -> None:
    (plain,) = await data_converter(None).encode([CARD])

    assert await data_converter([OLD]).decode([plain], [Card]) == [CARD]


def test_a_card_token_moved_to_another_order_cannot_be_decrypted() -> None:
    cipher = Cipher([OLD])
    key_id, data = cipher.encrypt(b"tok_secret", context=b"order 1")

    assert cipher.decrypt(key_id, data, context=b"order 1") == b"tok_secret"
    with pytest.raises(UnknownKey):
        cipher.decrypt(key_id, data, context=b"order 2")


async def _encrypted(*keys: Key) -> Payload:
    (payload,) = await data_converter(keys).encode([CARD])
    return payload
