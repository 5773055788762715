"""What a run writes: virtual tape magazines, and the drive that discards."""
