"""Who is asking: credentials, and the headers that sign a request."""
