"""One call: its flow, what it sends and reads, what is tried again, what is learned."""
