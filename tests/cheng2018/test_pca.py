import numpy as np
import pytest
from sklearn.decomposition import PCA

from cae_compress.cheng2018 import pca


@pytest.fixture
def code():
    rng = np.random.default_rng(3)
    return (rng.normal(size=(16, 16, 32)) @ rng.normal(size=(32, 32)) + 2).astype(np.float32)


def test_the_basis_is_orthonormal(code):
    basis, _ = pca.fit(code)
    assert np.allclose(basis.T @ basis, np.eye(32), atol=1e-6)


def test_rotating_back_inverts_rotating(code):
    basis, mean = pca.fit(code)
    assert np.allclose(pca.rotate_back(pca.rotate(code, basis, mean), basis, mean), code, atol=1e-4)
    assert np.allclose(pca.rotate_back(pca.rotate(code, basis), basis), code, atol=1e-4)


def test_rotated_maps_are_uncorrelated_and_in_descending_order_of_variance(code):
    basis, mean = pca.fit(code)
    covariance = np.cov(pca.rotate(code, basis, mean).reshape(-1, 32).T)
    variances = np.diag(covariance)
    assert (np.diff(variances) <= 1e-4).all()
    assert np.abs(covariance - np.diag(variances)).max() < 1e-3 * variances[0]


def test_it_finds_the_components_that_scikit_learn_finds(code):
    basis, mean = pca.fit(code)
    reference = PCA().fit(code.reshape(-1, 32))
    assert np.allclose(np.abs(reference.components_.T), np.abs(basis), atol=1e-3)
    assert np.allclose(reference.mean_, mean, atol=1e-5)


def test_the_sign_convention_makes_the_largest_component_positive(code):
    basis, _ = pca.fit(code)
    flipped, _ = pca.fit(-code)
    assert (basis[np.abs(basis).argmax(axis=0), np.arange(32)] > 0).all()
    assert np.allclose(basis, flipped, atol=1e-5)


def test_a_constant_code_still_has_a_basis():
    basis, mean = pca.fit(np.full((16, 16, 32), 0.25))
    assert np.allclose(basis.T @ basis, np.eye(32), atol=1e-6) and np.allclose(mean, 0.25)


def test_codes_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        pca.fit(np.full((4, 32), np.nan))
