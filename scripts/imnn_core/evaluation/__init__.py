"""What summaries keep of the information, and how far to believe it."""
