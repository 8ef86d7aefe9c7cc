import pytest
import timm
import torch

from sam2pal.model.trunk import EfficientNetLite


@pytest.mark.parametrize("side", [64, 97])
def test_the_trunk_computes_what_timm_computes(side):
    torch.manual_seed(1)
    trunk = EfficientNetLite()
    theirs = timm.create_model(trunk.name, features_only=True, out_indices=(1, 2, 3, 4)).eval()
    for name, value in theirs.state_dict().items():  # as if it had been trained
        if name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight")):
            value.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            value.normal_(std=0.1)
    trunk.body.load_state_dict(theirs.state_dict())
    assert theirs.feature_info.channels() == trunk.channel_list[::-1]
    images = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        expected = theirs(images * trunk.gain + trunk.shift)
        for one, other in zip(trunk(images), expected, strict=True):
            torch.testing.assert_close(one, other)
