"""Every domain as its rows say: the controller, the table by which it decides, and leases against two who act."""
