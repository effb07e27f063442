"""A machine whose clock is stepped raises nothing, and silence is still seen."""

import pytest

from monitor.clock import US_PER_DAY, ManualClock
from tests.pipeline.harness import Plant, events, whole_card


@pytest.mark.parametrize("step_days", [-3_650, -1, 1, 3_650])
def test_wall_time_that_jumps_is_no_silence(
    monkeypatch: pytest.MonkeyPatch, step_days: int
) -> None:
    plant = Plant(whole_card()).run(events(300))
    before = plant.moves()
    wall_us = plant.clock.now_us() + step_days * US_PER_DAY
    monkeypatch.setattr(ManualClock, "now_us", lambda clock: wall_us)
    plant.pipeline.on_tick()
    plant.commit()
    assert plant.moves() == before
    plant.clock.advance(seconds=30 * 86_400)
    plant.pipeline.on_tick()
    plant.commit()
    assert ("StreamStopped", "firing") in plant.moves()
