"""Where stages run: in this process, in one of their own with limits, or on Ray."""
