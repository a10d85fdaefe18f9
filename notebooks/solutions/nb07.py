"""Solutions to the exercises of notebook 7."""

import numpy as np
from scipy.interpolate import PchipInterpolator


def percent_saved(ours, theirs):
    return 100 * (theirs - ours) / theirs


def ms_ssim_db(value):
    return -10 * np.log10(1 - value)


def rate_at(psnr_db, rates, psnrs_db):
    return np.exp(np.interp(psnr_db, psnrs_db, np.log(rates)))


def bd_rate(rates, psnrs_db, reference_rates, reference_psnrs_db):
    low, high = max(psnrs_db[0], reference_psnrs_db[0]), min(psnrs_db[-1], reference_psnrs_db[-1])
    ours = PchipInterpolator(psnrs_db, np.log(rates)).integrate(low, high) / (high - low)
    theirs = PchipInterpolator(reference_psnrs_db, np.log(reference_rates)).integrate(low, high) / (high - low)
    return 100 * (np.exp(ours - theirs) - 1)
