"""The pieces of the training loop in `workflows/train.py`."""
