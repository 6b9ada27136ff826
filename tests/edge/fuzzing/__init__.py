"""Random lives of an edge, each from a seed: `mutation` makes messages, `life` lets things happen, `oracle` judges."""
