"""In the place of your program: it reads input.txt and writes output.txt where it runs."""

from math import exp
from random import Random

with open("input.txt", encoding="utf-8") as file:
    seed, height, rate = file.read().split()
draw = Random(int(seed))
with open("output.txt", "w", encoding="utf-8") as file:
    for i in range(20):
        value = float(height) * exp(-float(rate) * i / 5) + draw.gauss(0, 0.1)
        file.write(f"{value!r}\n")
