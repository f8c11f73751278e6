"""Write a folder of mock power spectra, as people have them: python make_folder.py FOLDER.

79 bins with correlated Gaussian errors. The mean is linear in Om and curved in Mnu, which is at the
edge of its range; so F is known in closed form.
"""

import sys
from pathlib import Path

import numpy as np

SEED, BINS = 2020, 79
OM, MNU = 0.3, 0.0  # fiducial
N_FILES, N_PER_FILE = 4, 2000  # of fiducial simulations
# Files of simulations at shifted parameters: the shift of Om, that of Mnu, and how many there are.
SHIFTED = {
    "Om_minus": (-0.01, 0, 1000),
    "Om_plus": (0.01, 0, 1000),
    "Mnu_p": (0, 0.1, 1000),
    "Mnu_pp": (0, 0.2, 1000),
    "Mnu_ppp": (0, 0.4, 600),
}

k = np.linspace(0.01, 0.5, BINS)
FIDUCIAL = 2e4 / (1 + (k / 0.05) ** 1.5)  # P(k)
# Slopes of ln P by Om and Mnu, and the bend by Mnu.
SLOPES = np.stack([-1.5 + 4 * k, -0.6 * k / (k + 0.1)])
BEND = 0.2 * k / (k + 0.2)
# Errors of some percent, which are correlated over neighbouring bins and all together.
ERRORS = FIDUCIAL * (0.01 + 0.02 / (1 + k / 0.05))
CORRELATION = 0.7 * np.eye(BINS) + 0.2 * np.exp(-np.abs(np.subtract.outer(k, k)) / 0.05) + 0.1
COVARIANCE = ERRORS[:, None] * CORRELATION * ERRORS


def mean(om, mnu):
    """P(k), (BINS,)."""
    by_mnu = SLOPES[1] * (mnu - MNU) + BEND * (mnu - MNU) ** 2
    return FIDUCIAL * (1 + SLOPES[0] * (om - OM) + by_mnu)


def fisher():
    """F in closed form, (2, 2): of a Gaussian whose covariance depends on no parameter."""
    d = FIDUCIAL * SLOPES
    return d @ np.linalg.solve(COVARIANCE, d.T)


def make(folder):
    """Write all files; those at shifted parameters have the seeds of the first fiducial ones."""
    folder = Path(folder)
    (folder / "fiducial").mkdir(parents=True, exist_ok=True)
    normal = np.random.default_rng(SEED).standard_normal((N_FILES * N_PER_FILE, BINS))
    noise = normal @ np.linalg.cholesky(COVARIANCE).T
    for i in range(N_FILES):
        rows = noise[i * N_PER_FILE : (i + 1) * N_PER_FILE]
        np.save(folder / "fiducial" / f"pk_{i + 1}.npy", mean(OM, MNU) + rows)
    for name, (om, mnu, n) in SHIFTED.items():
        np.save(folder / f"{name}.npy", mean(OM + om, MNU + mnu) + noise[:n])


if __name__ == "__main__":
    make(sys.argv[1])
