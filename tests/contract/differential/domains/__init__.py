"""What each domain's suite adds to its document."""
