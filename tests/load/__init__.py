"""People in the shop: closed-loop shoppers and sellers who check every answer, and the demo."""
