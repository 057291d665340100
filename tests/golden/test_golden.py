import pytest
from golden.cases import CASES, stored


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_fixed_input_still_gives_the_stored_output(name):
    expected = stored(name)

    found = CASES[name]()

    assert found["samples"] == expected["samples"]
    assert found["loudness"] == pytest.approx(expected["loudness"], abs=0.05)
    assert found["bands_db"] == pytest.approx(expected["bands_db"], abs=0.3)
