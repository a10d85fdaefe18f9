"""Toderici et al., "Full Resolution Image Compression with Recurrent Neural Networks", CVPR 2017: files to be cut."""
