"""What the node program says about its versions."""

DEFAULT_VERSION = "0.4.17"
NETWORK_VERSION = "ant/1.0/1"
PACKAGE_VERSION = "2026.2.3.2"
_NIGHTLY = "nightly-"
_GIT = "stable / 5e1ec7ab"
_BUILD_DATE = "2026-02-23"


def version_text(version: str) -> str:
    """The answer to `--version`, without a final newline.

    `0.4.17` and `0.4.18-rc.1` give the four lines of a release,
    `nightly-2026.02.23` the three lines of a nightly one.
    """
    if version.startswith(_NIGHTLY):
        first = f"Autonomi Node -- Nightly Release {version.removeprefix(_NIGHTLY)}"
        return "\n".join([first, f"Network version: {NETWORK_VERSION}", f"Git info: {_GIT}"])
    return "\n".join(
        [
            f"Autonomi Node v{version}",
            f"Network version: {NETWORK_VERSION}",
            f"Package version: {PACKAGE_VERSION}",
            f"Git info: {_GIT} / {_BUILD_DATE}",
        ]
    )


def crate_version(version: str) -> str:
    """The version in the metadata page; a nightly build carries that of the last release."""
    return DEFAULT_VERSION if version.startswith(_NIGHTLY) else version


def one_version(which: str, version: str) -> str:
    """The answer to `--crate-version`, `--package-version` or `--protocol-version`."""
    return {
        "--version": version_text(version),
        "--crate-version": f"Crate version: {crate_version(version)}",
        "--package-version": f"Package version: {PACKAGE_VERSION}",
        "--protocol-version": f"Network version: {NETWORK_VERSION}",
    }[which]
