"""Checks the checksum of wallet addresses (EIP-55)."""


def checksum_error(address: str) -> str | None:
    """Say what is wrong with an address in mixed case (`0x` and 40 hexadecimal digits), None if its checksum is right.

    A letter is a capital where the Keccak-256 of the lower-case digits has a digit of 8 or more at its place:
    https://eips.ethereum.org/EIPS/eip-55. `resolve` only asks when an address is new.
    """
    from Crypto.Hash import keccak

    digits = address[2:].lower()
    marks = keccak.new(digest_bits=256, data=digits.encode("ascii")).hexdigest()
    if address[2:] == "".join(
        digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks, strict=False)
    ):
        return None
    return "its checksum is wrong, so a character is mistyped; copy it again from the wallet"
