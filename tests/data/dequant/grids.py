"""Prints the tables of `core/src/kernel/dequant/grids.rs` from the grids of gguf 0.19.0.

A row of a grid is one number: a field an entry, the first entry lowest, of 2 bits (8 entries) or
3 bits (4 entries), that counts the values the grid is made of, in their order.
"""

import numpy as np
from gguf import quants
from gguf.constants import GGMLQuantizationType

for name in ["IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S"]:
    traits = quants._type_traits[GGMLQuantizationType[name]]
    traits.init_grid()
    rows, entries = traits.grid_shape
    values = sorted(traits.grid_map)
    fields = np.searchsorted(values, traits.grid.reshape(rows, entries))
    shifts = np.arange(entries) * (16 // entries if entries == 8 else 3)
    numbers = (fields << shifts).sum(axis=1)
    print(f"\n// {name}: of the values {values}.")
    print(f"const {name}: [u16; {rows}] = [")
    print(", ".join(f"{number:#06x}" for number in numbers))
    print("];")
