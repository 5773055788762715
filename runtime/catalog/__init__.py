"""What was stored where: the catalog, made from what the media say."""
