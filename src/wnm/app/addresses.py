"""The checksum of wallet addresses (EIP-55)."""


def checksum_error(address: str) -> str | None:
    """What is wrong with an address in mixed case, None if its checksum is right.

    Costs a fifth of a second the first time: `resolve` only asks when an address is new.
    """
    from eth_utils.address import is_checksum_address  # loads a great deal

    if is_checksum_address(address):
        return None
    return "its checksum is wrong, so a character is mistyped; copy it again from the wallet"
