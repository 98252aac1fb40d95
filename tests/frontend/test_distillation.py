import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend.distillation import Distillation, label_loss


def make_batch():
    generator = torch.Generator().manual_seed(0)
    images, logits = torch.randn(5, 4, generator=generator), torch.randn(5, 3, generator=generator)
    return images, logits.requires_grad_(), torch.tensor([0, 1, 2, 0, 1])


def make_teacher():
    torch.manual_seed(1)
    return nn.Linear(4, 3)


def test_the_loss_is_the_formula():
    images, logits, labels = make_batch()
    teacher, share, temperature = make_teacher(), 0.75, 3.0
    p, q = (torch.softmax(z.detach().double() / temperature, dim=1) for z in (teacher(images), logits))
    divergence = temperature**2 * (p * (p / q).log()).sum(dim=1).mean()
    wanted = share * divergence + (1 - share) * F.cross_entropy(logits.double(), labels)
    loss = Distillation(teacher, share, temperature)(images, logits, labels)
    # Some tens of float32 roundings of numbers below 20.
    assert float(loss.detach()) == pytest.approx(float(wanted), abs=50 * 20 * 2**-24)


def test_only_the_student_learns():
    images, logits, labels = make_batch()
    teacher = make_teacher()
    before = copy.deepcopy(teacher.state_dict())
    Distillation(teacher, 1.0, 2.0)(images, logits, labels).backward()
    assert logits.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_the_teachers_own_answers_cost_nothing_and_no_share_is_the_labels_alone():
    images, logits, labels = make_batch()
    teacher = make_teacher()
    assert Distillation(teacher, 1.0, 2.0)(images, teacher(images), labels) == 0
    assert torch.equal(Distillation(teacher, 0.0, 2.0)(images, logits, labels), label_loss(images, logits, labels))
