import pytest

from tests.stanalysis.readers.fuzz import attempt, formats

pytestmark = pytest.mark.slow

N = 150  # of 20,000


@pytest.mark.parametrize("name", list(formats()))
def test_read_with__a_mutated_file_gives_a_network_or_a_sentence(name, tmp_path):
    answers = [attempt(name, index, tmp_path) for index in range(N)]
    assert len(set(answers)) > 1  # the damage is not always the same, or none
