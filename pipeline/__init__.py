"""First floor: pure stages from a site's pages to a checked release."""
