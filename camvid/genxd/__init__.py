"""GenXD: a video diffusion UNet that knows cameras and motion. Needs the extra `camvid[train]`.

Shapes in this package are spelled in the names: B samples, F frames (views or instants of one
sample), N = B * F rows ordered sample by sample, C channels, H and W latent pixels, L = H * W
tokens, E embedding channels. `x_NCHW` is a tensor [N, C, H, W].
"""
