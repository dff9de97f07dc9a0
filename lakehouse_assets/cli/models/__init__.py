"""Commands about models and features: what there is, training, promotion, look-up and serving."""
