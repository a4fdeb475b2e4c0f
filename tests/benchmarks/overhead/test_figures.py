# SPDX-License-Identifier: Apache-2.0
from vcf_benchmarks.harness.closed_loop import Loop
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.overhead.figures import add_latency, add_throughput
from vcf_benchmarks.overhead.goals import IN_PROCESS
from vcf_benchmarks.pages import draw


def test_ratios_stand_in_the_targets_and_on_the_page(tmp_path) -> None:
    result = Result("overhead", {"slices": 300})
    times = {IN_PROCESS: [200.0] * 9, "crop": [220.0] * 9, "shm": [230.0] * 9}
    loops = {way: [Loop(2, 1.0, [0.5, 1.0], [500.0] * 2)] * 3 for way in times}
    loops["shm"] = [Loop(3, 1.0, [1.0], [1000.0])] * 3
    for way in times:
        add_latency(result, way, times[way], times[IN_PROCESS], 3)
        add_throughput(result, way, loops[way], loops[IN_PROCESS])
    result.figures["core_ms"] = {
        IN_PROCESS: {IN_PROCESS: 380.0},
        "crop": {"client": 50.0, "spine_patches": 72.25},
        "shm": {},
    }
    values = {target.name: (round(target.value, 6), target.met) for target in result.targets}
    assert values == {
        "serving overhead, p50 crop over in one process": (1.1, True),
        "serving overhead, p50 shm over in one process": (1.15, False),
        "throughput at saturation, crop over in one process": (1.0, True),
        "throughput at saturation, shm over in one process": (0.5, False),
    }
    page = draw(result.write(tmp_path / "overhead.json"))[0].read_text()
    assert page.count("<svg") == 2 and "1.150–1.150" in page
    assert "spine_patches" in page and "122.2" in page  # the sum of the client's and the server's processes
