"""Information Maximising Neural Networks with aggregated gradients: the core that the scripts share."""
