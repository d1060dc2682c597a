"""No trace of ours in the databases of either side: what there is, and how it goes."""
