"""Server-sent events, from bytes to the data of each event, as the WHATWG standard defines them."""
