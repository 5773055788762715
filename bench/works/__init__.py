"""What is measured, a module each for what belongs together; ``registry.py`` lists them."""
