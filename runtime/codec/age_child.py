"""A process that encrypts its standard input to age recipients: a script, started by ``encode`` with this file's path.

The library holds the interpreter's lock while it encrypts, so it gets an interpreter of its own (about 30 ms).

Arguments: the folder that holds the library, then the recipients, which are public. No secret ever passes here.
"""

import sys


def main() -> None:
    """Encrypt until the input ends. A cut-off input cannot be told from a whole one here: the run knows."""
    sys.path.append(sys.argv[1])
    import pyrage

    recipients = [
        (pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient).from_str(text)
        for text in sys.argv[2:]
    ]
    with open(0, "rb", buffering=1 << 20) as plain, open(1, "wb", buffering=0) as encrypted:
        pyrage.encrypt_io(plain, encrypted, recipients)


if __name__ == "__main__":
    main()
