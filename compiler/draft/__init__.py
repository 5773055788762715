"""Plans that are written by the program: from what a catalog knows to the text of a restore or copy plan."""
