"""The config of a job is stored as compact JSON."""

import sys
import tracemalloc

from netmind_mock.api.wire import pack_config


def test_a_config_takes_no_more_memory_than_its_json():
    config = {"prompt": "x" * 40, "image_size": "landscape_4_3", "num_inference_steps": 30}
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        packed = [pack_config(config) for _ in range(1000)]
        taken = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(packed)
    finally:
        tracemalloc.stop()
    assert packed[0] == b'{"prompt":"%s","image_size":"landscape_4_3","num_inference_steps":30}' % (b"x" * 40)
    assert taken / 1000 < sys.getsizeof(packed[0]) + 8
