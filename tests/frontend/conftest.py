import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """These networks are far too small to share, and idle threads that wait for each other take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
