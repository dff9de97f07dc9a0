"""`refresh`: only the groups whose inputs changed are computed anew."""
