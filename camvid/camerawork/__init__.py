"""What the camera does, in the words of film: classes of motion, how far, in which order."""
