"""``python -m tapechain`` is the same as ``tcc``."""

from tapechain.cli.main import main

if __name__ == "__main__":
    main()
