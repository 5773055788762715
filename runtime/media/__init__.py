"""The format on the media: records, labels, volumes, indexes; docs/format.md is its description."""
