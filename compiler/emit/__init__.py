"""What a compiled plan is written as: JSON, DOT, pictures."""
