"""Speed and accuracy beside peers. Ratios measured in one run, never absolute promises."""
