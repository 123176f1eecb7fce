"""Where a workspace departs from the api it claims, and the fixes: one module per quirk, one ordered tuple."""
