"""The perceptron: values, gradients of every block, one work space, arrays of any module."""

import pickle

import numpy as np
import pytest

from smnn_np.network import ACTIVATIONS, Perceptron
from smnn_np.testing import assert_close, five_point_gradient

FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
}


def make(activation, seed=0):
    network = Perceptron((3, 5, 4, 2), activation)
    rng = np.random.default_rng(seed)
    flat = network.start(np.random.RandomState(seed))
    return network, flat + 0.3 * rng.standard_normal(flat.shape), rng.standard_normal((7, 3))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_values_are_those_of_the_formula(activation):
    network, flat, x = make(activation)
    (w1, b1), (w2, b2), (w3, b3) = network.layers(flat)
    f = FUNCTIONS[activation]
    assert_close(network.forward(flat, x), f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_of_every_block(activation, rng):
    network, flat, x = make(activation)
    out_bar = rng.standard_normal((7, 2))
    network.forward(flat, x)
    gradient = network.backward(flat, out_bar).copy()
    wanted = five_point_gradient(lambda p: (out_bar * network.forward(p, x)).sum(), flat, 1e-4)
    for got, want in zip(network.layers(gradient), network.layers(wanted), strict=True):
        assert_close(got[0], want[0])
        assert_close(got[1], want[1])


def test_an_extreme_input_of_the_logistic_does_not_overflow():
    network = Perceptron((1, 1, 1), "logistic")
    out = network.forward(np.array([1.0, 0.0, 1.0, 0.0]), np.array([[-1e4], [1e4]]))
    assert out.ravel().tolist() == [0.0, 1.0]


def test_work_space_is_allocated_once():
    network, flat, x = make("tanh")
    owner = network.forward(flat, x).base
    assert network.backward(flat, np.ones((7, 2))).base is owner
    few = network.forward(flat, x[:3])
    assert few.base is owner
    assert_close(few, network.forward(flat, x)[:3])


def test_a_copy_leaves_the_work_space_behind():
    network, flat, x = make("relu")
    wanted = network.forward(flat, x).copy()
    assert len(pickle.dumps(network)) < len(pickle.dumps(Perceptron((3, 5, 4, 2), "relu"))) + 100
    assert_close(pickle.loads(pickle.dumps(network)).forward(flat, x), wanted)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_cupy_arrays_stay_on_their_device(activation, gpu):
    network, flat, x = make(activation)
    wanted = network.forward(flat, x).copy(), network.backward(flat, np.ones((7, 2))).copy()
    other = Perceptron(network.sizes, activation)
    there = gpu.give(flat), gpu.give(x)
    got = other.forward(*there), other.backward(there[0], gpu.give(np.ones((7, 2))))
    for g, w in zip(got, wanted, strict=True):
        assert_close(gpu.take(g), w)
    with pytest.raises(TypeError):
        other.forward(there[0], x)
